"""Systems of event cameras, and of delays."""
