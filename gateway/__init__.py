"""What runs in the van: read the receiver, keep every fix, publish. Never imports the cloud."""
