"""What tests of durable apps need: virtual time."""
