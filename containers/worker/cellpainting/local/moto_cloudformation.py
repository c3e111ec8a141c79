"""CloudFormation as the CDK command line uses it, which moto 5.2.5 is not: change sets, updates, deletion.

A change set makes a stack with outputs and exports. An update follows references: what refers to a replaced resource
is changed, too, and what is left over goes last. A deletion goes backwards through what was made and tells what it
leaves. An export that another stack uses can be neither deleted nor left out.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, Event, Stack
from moto.cloudformation.parsing import ResourceMap
from moto.cloudformation.responses import CloudFormationResponse

Deletions = Mapping[str, Callable[[str], Any]]
RETAINED = ("Retain", "RetainExceptOnCreate")


class ChangeSetNotFound(CloudFormationError):  # type: ignore[misc]
    """What the command line waits for after it has deleted a change set; moto says that a stack does not exist."""

    code = "ChangeSetNotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"ChangeSet [{name}] does not exist")


def repair_cloudformation(deletions: Deletions, on_deployed: Callable[[str], None]) -> None:
    """Take the place of moto's own; `deletions` delete what moto's models leave behind, by type and physical id.
    `on_deployed` gets the name of a stack when a change set of it was executed, or it was deleted.
    """

    def update(resources: ResourceMap, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
        _Update(resources, template, deletions).carry_out()

    def delete_stack(backend: CloudFormationBackend, name_or_stack_id: str) -> None:
        for stack in list(backend.stacks.values()):
            if name_or_stack_id in (stack.name, stack.stack_id):
                with _failures_of(stack, "DELETE_FAILED"):
                    _delete_stack(backend, stack, deletions)
                on_deployed(stack.name)

    def execute_change_set(backend: CloudFormationBackend, change_set_name: str, stack_name: str | None = None) -> None:
        change_set = _describe_change_set(backend, change_set_name)
        change_set.execution_status = "EXECUTE_COMPLETE"
        if change_set.change_set_type == "CREATE":
            _create(backend, change_set)
        else:
            _change(backend, change_set)
        on_deployed(change_set.stack_name)

    ResourceMap.update = update
    CloudFormationBackend.delete_stack = delete_stack
    CloudFormationBackend.delete_change_set = _delete_change_set
    CloudFormationBackend.describe_change_set = _describe_change_set
    CloudFormationBackend.execute_change_set = execute_change_set
    # A change set without changes is made, and is of no use; moto would refuse to make it.
    CloudFormationResponse._validate_different_update = lambda *_: None


def _delete_change_set(backend: CloudFormationBackend, change_set_name: str) -> None:
    for id_, change_set in list(backend.change_sets.items()):
        if change_set_name in (id_, change_set.change_set_name):
            del backend.change_sets[id_]


def _describe_change_set(backend: CloudFormationBackend, change_set_name: str) -> ChangeSet:
    """The newest of the name: the command line calls those of all stacks alike."""
    for id_, change_set in reversed(backend.change_sets.items()):
        if change_set_name in (id_, change_set.change_set_name):
            return change_set
    raise ChangeSetNotFound(change_set_name)


@contextmanager
def _failures_of(stack: Stack, status: str) -> Iterator[None]:
    """What moto cannot do fails the stack, with its reason; if the server failed, it would be asked again."""
    try:
        yield
    except CloudFormationError:
        raise
    except Exception as error:
        stack.status = status
        reason = f"{stack.name}: {type(error).__name__}: {error}"
        stack._add_stack_event(status, resource_status_reason=reason)
        raise ValidationError(message=reason) from error


def _create(backend: CloudFormationBackend, change_set: ChangeSet) -> None:
    """Make the stack that the change set was only a promise of; moto's promise has no template."""
    promised = backend.stacks[change_set.stack_id]
    stack = Stack(
        stack_id=promised.stack_id,
        name=promised.name,
        template=change_set.template,
        parameters=change_set.parameters,
        account_id=backend.account_id,
        region_name=backend.region_name,
        notification_arns=change_set.notification_arns,
        tags=change_set.tags,
        role_arn=change_set.role_arn,
        cross_stack_resources=backend.exports,
    )
    stack.events = promised.events
    backend.stacks[stack.stack_id] = stack
    stack._add_stack_event("CREATE_IN_PROGRESS", resource_status_reason="User Initiated")
    with _failures_of(stack, "CREATE_FAILED"):
        stack.create_resources()
    backend.exports.update({export.name: export for export in stack.exports})


def _change(backend: CloudFormationBackend, change_set: ChangeSet) -> None:
    stack = backend.stacks[change_set.stack_id]
    _refuse_if_used(backend, stack, keeps=_exported(change_set.template_dict))
    with _failures_of(stack, "UPDATE_FAILED"):
        for export in stack.exports:
            backend.exports.pop(export.name)
        stack.update(change_set.template, change_set.role_arn, change_set.parameters, change_set.tags)
    backend.exports.update({export.name: export for export in stack.exports})


def _delete_stack(backend: CloudFormationBackend, stack: Stack, deletions: Deletions) -> None:
    _refuse_if_used(backend, stack, keeps=())
    stack._add_stack_event("DELETE_IN_PROGRESS", resource_status_reason="User Initiated")
    _delete_resources(stack, deletions)
    stack._add_stack_event("DELETE_COMPLETE")
    stack.status = "DELETE_COMPLETE"
    for export in stack.exports:
        backend.exports.pop(export.name, None)
    backend.deleted_stacks[stack.stack_id] = backend.stacks.pop(stack.stack_id)


def _delete_resources(stack: Stack, deletions: Deletions) -> None:
    """Last first: resources lie in the map in the order in which they were made."""
    resources = stack.resource_map
    for logical_id, resource in reversed(list(resources._parsed_resources.items())):
        described = resources._resource_json_map.get(logical_id)
        if described is None or resource is None:
            continue
        is_kept = described.get("DeletionPolicy") in RETAINED
        if not is_kept:
            _delete_resource(resources, resource, described, deletions)
        stack.events.append(
            Event(
                stack_id=stack.stack_id,
                stack_name=stack.name,
                logical_resource_id=logical_id,
                physical_resource_id=_physical_id(resource),
                resource_type=described["Type"],
                resource_status="DELETE_SKIPPED" if is_kept else "DELETE_COMPLETE",
                resource_status_reason=None,
                resource_properties=None,
            )
        )


def _delete_resource(resources: ResourceMap, resource: Any, described: dict[str, Any], deletions: Deletions) -> None:
    delete = deletions.get(described["Type"])
    if delete is None:
        resources._delete_resource(resource, described)
    else:
        delete(_physical_id(resource))


def _physical_id(resource: Any) -> str:
    """Empty for those of moto's models that nothing can refer to."""
    return getattr(resource, "physical_resource_id", "")


class _Update:
    """The update of a stack's resources from one template to another."""

    def __init__(self, resources: ResourceMap, template: dict[str, Any], deletions: Deletions) -> None:
        self._resources = resources
        self._deletions = deletions
        self._old: dict[str, Any] = resources._resource_json_map
        self._new: dict[str, Any] = template["Resources"]
        self._done: set[str] = set()
        self._replaced: dict[str, Any] = {}  # what was there before, by logical id
        resources._template = template
        resources.load_mapping()
        resources.load_parameters()
        resources.load_conditions()
        resources._resource_json_map = self._new

    def carry_out(self) -> None:
        """Make and change what the new template wants, each after what it refers to; then delete what it does not."""
        for logical_id in self._new:
            self._bring_about(logical_id)
        made = self._resources._parsed_resources
        removed = [logical_id for logical_id in made if logical_id in self._old and logical_id not in self._new]
        leftovers = {**{logical_id: made.pop(logical_id) for logical_id in removed}, **self._replaced}
        for logical_id, resource in reversed(leftovers.items()):
            if self._old[logical_id].get("UpdateReplacePolicy") not in RETAINED:
                _delete_resource(self._resources, resource, self._old[logical_id], self._deletions)

    def _bring_about(self, logical_id: str) -> None:
        if logical_id in self._done:
            return
        self._done.add(logical_id)
        referred = [one for one in _references(self._new[logical_id]) if one in self._new]
        for one in referred:
            self._bring_about(one)
        is_there = logical_id in self._resources._parsed_resources
        if is_there and (
            self._new[logical_id] != self._old[logical_id] or not self._replaced.keys().isdisjoint(referred)
        ):
            self._change(logical_id)
        elif not is_there:
            _ = self._resources[logical_id]  # moto makes what is looked up

    def _change(self, logical_id: str) -> None:
        """In place, or where moto cannot, by another resource."""
        made = self._resources._parsed_resources
        before = made[logical_id]
        old_id = _physical_id(before)
        after = parsing.parse_and_update_resource(
            logical_id,
            self._new[logical_id],
            self._resources,
            account_id=self._resources._account_id,
            region_name=self._resources._region_name,
        )
        if after is not None:
            made[logical_id] = after
        else:
            del made[logical_id]
            after = self._resources[logical_id]
        if _physical_id(after) != old_id:
            self._replaced[logical_id] = before


def _refuse_if_used(backend: CloudFormationBackend, stack: Stack, *, keeps: tuple[str, ...]) -> None:
    for name in [export.name for export in stack.exports if export.name not in keeps]:
        users = [
            other.name for other in backend.stacks.values() if name in _values(other.template_dict, "Fn::ImportValue")
        ]
        if users:
            raise ValidationError(message=f"Cannot delete export {name} as it is in use by {', '.join(users)}")


def _exported(template: dict[str, Any]) -> tuple[str, ...]:
    outputs = template.get("Outputs") or {}
    return tuple(output["Export"]["Name"] for output in outputs.values() if "Export" in output)


def _references(described: dict[str, Any]) -> Iterator[str]:
    """The logical ids that a resource refers to. CDK writes neither Fn::Sub nor dots for them."""
    yield from (str(name) for name in _values(described, "Ref"))
    yield from (attribute[0] for attribute in _values(described, "Fn::GetAtt"))
    depends_on = described.get("DependsOn", [])
    yield from [depends_on] if isinstance(depends_on, str) else depends_on


def _values(document: Any, key: str) -> Iterator[Any]:
    """All values of a key, however deep."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == key:
                yield value
            yield from _values(value, key)
    elif isinstance(document, list):
        for item in document:
            yield from _values(item, key)
