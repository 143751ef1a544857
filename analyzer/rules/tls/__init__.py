"""TLS under WinRM: connections that never came up, and certificates that are refused."""
