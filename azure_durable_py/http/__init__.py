"""The HTTP management API and the signed URLs that lead to it."""
