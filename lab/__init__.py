"""A lab that makes sample captures: real clients, real proxies and a small WinRM server in network namespaces."""
