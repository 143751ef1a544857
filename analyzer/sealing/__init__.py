"""What protects each WinRM body, and the framing of sealed ones (MS-WSMV 2.2.9.1), read by declared lengths."""
