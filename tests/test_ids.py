"""The ids of entities, and what options look like as JSON."""

from __future__ import annotations

import pytest

from azure_durable_py.ids import EntityId
from azure_durable_py.retry_policy import RetryOptions
from azure_durable_py.token_sources import ManagedIdentityTokenSource, TokenSource


def test_an_entity_id_keeps_the_name_that_it_was_given():
    entity = EntityId("Counter", "Key")
    assert (entity.name, entity.key) == ("Counter", "Key")
    assert str(entity) == EntityId.get_scheduler_id(entity) == "@counter@Key"
    assert EntityId.get_entity_id_url_path(entity) == "entities/Counter/Key"


def test_entity_ids_are_equal_if_they_name_the_same_entity():
    assert EntityId("Counter", "k") == EntityId("counter", "k")
    assert len({EntityId("Counter", "k"), EntityId("COUNTER", "k")}) == 1
    assert EntityId("Counter", "k") != EntityId("Counter", "K")
    assert EntityId("Counter", "k") != "@counter@k"


def test_an_entity_id_comes_back_from_its_instance_id():
    assert EntityId.get_entity_id("@counter@a@b") == EntityId("Counter", "a@b")
    with pytest.raises(ValueError, match="not an entity's instance id"):
        EntityId.get_entity_id("counter@a")


@pytest.mark.parametrize(("name", "key"), [("", "k"), ("n", ""), ("a@b", "k")])
def test_what_names_no_entity_is_refused(name: str, key: str):
    with pytest.raises(ValueError, match=r"Entity name|entity key"):
        EntityId(name, key)


def test_options_have_a_json_form():
    assert RetryOptions(5000, 3).to_json() == {"firstRetryIntervalInMilliseconds": 5000, "maxNumberOfAttempts": 3}
    source = ManagedIdentityTokenSource("https://graph.microsoft.com/")
    assert source.to_json() == {"resource": "https://graph.microsoft.com/", "kind": "AzureManagedIdentity"}
    assert isinstance(source, TokenSource)
