"""What is counted of the planning loop."""

from prometheus_client import CollectorRegistry, Counter


class LoopCounts:
    """Counters; no series names a tenant, a depot or an order."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.jobs = Counter(
            "roundsman_plan_jobs",
            "Plans asked for, by what asked and what came of it.",
            ("trigger", "outcome"),
            registry=registry,
        )
        self.search_seconds = Counter(
            "roundsman_plan_search_seconds",
            "Time from the beginning of a search to its plan.",
            registry=registry,
        )
        self.budgets_spent = Counter(
            "roundsman_plan_budgets_spent",
            "Times a day had spent its hour's searching, so that its news waited.",
            registry=registry,
        )
