"""What an orchestrator function can ask for, part by part of its context."""
