"""A case as people use it: its tables, whether they come from captures (`analyzer.api.Case`) or from a case folder (`opened.OpenedCase`)."""
