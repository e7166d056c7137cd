"""What is wrong with a flow, and what it needs, before it runs."""

from flowmend.core.checking.flow_check import check_flow
from flowmend.core.checking.needs import Needs, needs
from flowmend.core.checking.parameters import missing_parameters

__all__ = ["Needs", "check_flow", "missing_parameters", "needs"]
