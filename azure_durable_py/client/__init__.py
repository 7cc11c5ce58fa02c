"""The durable client: starts, queries and steers instances from anywhere."""
