"""Which of the rules that come with the analyzer were asked of an evidence."""

from analyzer.records.evidence import Evidence


def asked_rules(evidence: Evidence) -> tuple[str, ...]:
    """Their ids. Rules are about connections: where there is none, none was asked, and none is looked up."""
    if not evidence.connections:
        return ()
    from analyzer.rules.catalogue import rule_ids

    return rule_ids(negotiate=evidence.negotiate)
