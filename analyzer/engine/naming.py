"""A proxy product that the user names after the run: advice then begins with its settings, as if it had been named before."""

from msgspec.structs import replace

from analyzer.incidents.diagnosis import diagnosis
from analyzer.incidents.leads import lead
from analyzer.incidents.sums import sums
from analyzer.records.finding import Finding
from analyzer.records.incident import Incident
from analyzer.records.result import Result
from analyzer.rules.causes import EXPOSES
from analyzer.rules.products import PRODUCTS, known_product


def with_product(result: Result, name: str) -> Result:
    """The result with that product in findings, incidents and the diagnosis. `UsageError`: there is no such product, or several are meant."""
    product = known_product(name)
    findings = tuple(_finding(one, product) for one in result.findings)
    by_id = {f"f{place}": one for place, one in enumerate(findings, start=1)}
    incidents = tuple(_incident(one, by_id) for one in result.incidents)
    evidence = replace(result.evidence, product=product)
    told = diagnosis(sums(evidence), incidents, EXPOSES) if result.evidence.connections else result.diagnosis
    return replace(result, evidence=evidence, findings=findings, incidents=incidents, diagnosis=told)


def _finding(one: Finding, product: str) -> Finding:
    """The named one first, then all as the table of products has them; what is no product, the client's own settings, stays last."""
    rank = {known.name: place for place, known in enumerate(PRODUCTS)}
    marked = [replace(setting, seen=setting.product == product) for setting in one.settings]
    ordered = sorted(marked, key=lambda setting: (not setting.seen, rank.get(setting.product, len(rank))))
    return replace(one, settings=tuple(ordered)) if marked else one


def _incident(one: Incident, findings: dict[str, Finding]) -> Incident:
    first = findings.get(one.findings[0]) if one.findings else None
    return one if first is None else replace(one, change=lead(first))
