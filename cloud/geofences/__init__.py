"""Areas that vans come into, stay in and leave."""
