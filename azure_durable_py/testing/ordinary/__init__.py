"""The functions of an app that are not durable, called in place of a host."""
