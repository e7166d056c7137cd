"""What is sealed is known in one place, so that no rotation leaves anything behind."""

from flowmend.store.tables import metadata
from flowmend.use_cases.sealed_places import SEALED_PLACES


def test_every_sealed_column_is_known() -> None:
    columns = {(table.name, column.name) for table in metadata.tables.values() for column in table.columns}
    sealed = {(table, column) for table, column in columns if column.startswith("sealed_")}
    assert {(place.table, place.column) for place in SEALED_PLACES} == sealed


def test_each_sealed_table_has_one_text_for_its_key() -> None:
    for place in SEALED_PLACES:
        (key,) = metadata.tables[place.table].primary_key
        assert key.type.python_type is str
        assert key.name in place.shape.__struct_fields__
