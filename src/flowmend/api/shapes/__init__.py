"""What resources look like in JSON: one module per resource, pure functions from rows and records to bodies.

Run, Action, Repetition, TriggerHistory and CallbackUrl are spelled as the Logic Apps REST surface spells them
(camelCase); our own resources are snake_case.
"""
