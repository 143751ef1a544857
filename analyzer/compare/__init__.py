"""Two cases side by side: what each client did step by step, where the two begin to differ, and what else is different."""
