"""What runs at the depot: tracks the vans, takes orders, plans rounds, keeps the promises."""
