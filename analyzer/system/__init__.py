"""What differs between operating systems, each with a way that works everywhere. Nothing else names a call that only POSIX systems have."""
