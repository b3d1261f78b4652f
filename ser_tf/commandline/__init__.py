"""What the commands share: flags, one line for an error, exit codes."""
