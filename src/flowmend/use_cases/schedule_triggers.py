"""What turning a flow on begins: its clocks are set, its polls ask from where they stood, its services are subscribed to."""

from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.poll_states import asks_at_intervals, planned_state
from flowmend.use_cases.ports import Services
from flowmend.use_cases.schedules import clock_of, first_state
from flowmend.use_cases.trigger_subscriptions import plan_subscriptions


def schedule_triggers(services: Services, loaded: LoadedFlow) -> tuple[str, ...]:
    """Say when the flow's triggers are due next; one that is scheduled just so already keeps its time, and polls their place.

    Answers with the ids of the subscriptions to be begun; whoever turns a flow on does so at once.
    """
    flow_id, now = loaded.row.flow_id, services.clock.now
    scheduled = {one.trigger_name: one for one in services.store.triggers.of_flow(flow_id)}
    for trigger in loaded.flow.definition.triggers.values():
        if asks_at_intervals(services, loaded, trigger):
            known = scheduled.pop(trigger.name, None)
            planned = planned_state(services, loaded, trigger, known)
            if planned is not known:  # written back as it was read, it would undo what a poll keeps in this moment
                services.store.triggers.put(planned)
            continue
        recurrence = clock_of(trigger)
        if not recurrence:
            continue
        known = scheduled.pop(trigger.name, None)
        if known is None or known.memory.get("recurrence") != recurrence:
            services.store.triggers.put(first_state(flow_id, trigger, now))
    for name in scheduled:
        services.store.triggers.remove(flow_id, name)
    services.dispatch.schedule_changed()
    services.changes.publish("polls")
    return plan_subscriptions(services, loaded)
