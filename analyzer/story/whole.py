"""The four facts, each made of the ones before it: parties, logons, endings, fates; and what of it failed for good."""

from analyzer.records.evidence import Evidence
from analyzer.records.story import Story
from analyzer.story.clocks import server_clocks
from analyzer.story.endings import endings
from analyzer.story.failures import failures
from analyzer.story.fates import fates
from analyzer.story.hosts import hosts
from analyzer.story.logons import by_conversation, logons
from analyzer.story.parties import parties
from analyzer.story.tickets import kdc_parties, ticket_refusals


def story(evidence: Evidence) -> Story:
    """The picture of the whole. ``evidence`` is scoped (`analyzer.story.scope`), its bodies opened as far as they can be."""
    who = parties(evidence)
    spoken = logons(evidence)
    ended = endings(evidence, who.ends)
    became = fates(evidence, who.ends, who.all, ended)
    everyone = (*who.all, *kdc_parties(evidence, len(who.all)))
    return Story(
        parties=everyone,
        logons=spoken,
        fates=became,
        endings=ended,
        logon_of=by_conversation(spoken),
        ends=who.ends,
        failures=failures(evidence, spoken, became, ended, who.ends),
        ticket_refusals=ticket_refusals(evidence, spoken),
        hosts=hosts(evidence, everyone, who.ends),
        clocks=server_clocks(evidence, everyone, who.ends, became),
    )
