"""Windows that bring data in, split it and send it on."""
