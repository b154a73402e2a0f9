"""What is wired to the board beside the receiver: ignition, doors, power-fail, temperatures."""
