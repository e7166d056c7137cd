"""What is wrong with a flow, and what it needs, before it runs."""

from flowmend.core.checking.flow_check import check_flow
from flowmend.core.checking.lifting_secrets import Lifted, lift_secrets
from flowmend.core.checking.needs import Needs, needs
from flowmend.core.checking.parameters import missing_parameters

__all__ = ["Lifted", "Needs", "check_flow", "lift_secrets", "missing_parameters", "needs"]
