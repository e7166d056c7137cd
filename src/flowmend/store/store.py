"""The store: one database with its queries by noun and its journal."""

from contextlib import suppress

from flowmend.core.errors import StoreUnavailable
from flowmend.store.access import Access
from flowmend.store.after_restore import AfterRestore
from flowmend.store.approvals import Approvals
from flowmend.store.audit import Audit
from flowmend.store.blast_radius import BlastRadius
from flowmend.store.connection_list import ConnectionList
from flowmend.store.connections import Connections
from flowmend.store.connector_entries import ConnectorEntries
from flowmend.store.connectors import Connectors
from flowmend.store.database import Database
from flowmend.store.deliveries import Deliveries
from flowmend.store.flows import Flows
from flowmend.store.held import Held
from flowmend.store.history import History
from flowmend.store.incidents import Incidents
from flowmend.store.journal import Journal
from flowmend.store.message_routes import MessageRoutes
from flowmend.store.notices import Notices
from flowmend.store.opening import open_database
from flowmend.store.preferences import Preferences
from flowmend.store.probes import Probes
from flowmend.store.received_events import ReceivedEvents
from flowmend.store.repair_links import RepairLinks
from flowmend.store.repair_plans import RepairPlans
from flowmend.store.repair_subjects import RepairSubjects
from flowmend.store.runs import Runs
from flowmend.store.sealed_columns import SealedColumns
from flowmend.store.secret_uses import SecretUses
from flowmend.store.sole_server import SoleServer
from flowmend.store.subscriptions import Subscriptions
from flowmend.store.tracked_values import TrackedValues
from flowmend.store.trigger_events import TriggerEvents
from flowmend.store.triggers import Triggers


class Store:
    """Queries are synchronous and may be used from any thread; they raise only errors of ours."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.condition = database.condition
        self.flows = Flows(database)
        self.runs = Runs(database)
        self.history = History(database)
        self.trigger_events = TriggerEvents(database)
        self.held = Held(database)
        self.received_events = ReceivedEvents(database)
        self.triggers = Triggers(database)
        self.subscriptions = Subscriptions(database)
        self.tracked_values = TrackedValues(database)
        self.connectors = Connectors(database)
        self.connector_entries = ConnectorEntries(database)
        self.connections = Connections(database)
        self.blast_radius = BlastRadius(database)
        self.connection_list = ConnectionList(database, self.blast_radius)
        self.probes = Probes(database)
        self.repair_links = RepairLinks(database)
        self.secret_uses = SecretUses(database)
        self.sealed_columns = SealedColumns(database)
        self.incidents = Incidents(database)
        self.repair_plans = RepairPlans(database)
        self.repair_subjects = RepairSubjects(database, self.blast_radius)
        self.notices = Notices(database)
        self.deliveries = Deliveries(database)
        self.message_routes = MessageRoutes(database)
        self.preferences = Preferences(database)
        self.approvals = Approvals(database)
        self.access = Access(database)
        self.after_restore = AfterRestore(database)
        self.audit = Audit(database)
        self.journal = Journal(database)
        self.sole_server = SoleServer(database)

    def close(self) -> None:
        """Write what the journal and the counts of bad calls still hold, then let the database go; may be called twice."""
        self.journal.close()
        with suppress(StoreUnavailable):  # a count, which nothing rests on
            self.incidents.write_bad_calls()
        self._database.close()
        self.sole_server.release()


def open_store(url: str) -> Store:
    """The store at an SQLAlchemy URL (`sqlite:///FILE` or `postgresql://HOST/NAME`), its tables made or migrated.

    Errors: AskedWrongly `InvalidSetting`; StoreUnavailable.
    """
    return Store(open_database(url))
