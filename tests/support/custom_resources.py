"""Our reading of the custom resources in deploy/kubernetes: exactly the fields that we write, and no others.

It follows the operators' public documents: KEDA's ScaledObject and TriggerAuthentication with the `rabbitmq` and
`prometheus` triggers, and the API reference of RabbitMQ's Cluster Operator. It is not the operators' schema. Published
packages were looked at: their models of KEDA let unknown fields pass, and none was found of the Cluster Operator.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator
from pydantic.alias_generators import to_camel

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
"""A name as Kubernetes has them."""
Number = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?$")]
"""The metadata of a trigger are texts, numbers included."""
Quantity = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?(m|[KMGT]i?)?$")]
Labels = dict[str, str]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


class Metadata(Strict):
    name: Word
    namespace: Word
    labels: Labels


class Named(Strict):
    name: Word


class RabbitmqQueue(Strict):
    queue_name: Word
    protocol: Literal["amqp", "http", "auto"]
    mode: Literal["QueueLength"]
    value: Number


class RabbitmqTrigger(Strict):
    type: Literal["rabbitmq"]
    metadata: RabbitmqQueue
    authentication_ref: Named


class PrometheusQuery(Strict):
    server_address: Annotated[str, StringConstraints(pattern=r"^https?://[^/]+$")]
    query: Annotated[str, StringConstraints(min_length=1)]
    threshold: Number
    ignore_null_values: Literal["true", "false"]


class PrometheusTrigger(Strict):
    type: Literal["prometheus"]
    metric_type: Literal["AverageValue", "Value"]
    metadata: PrometheusQuery


class ScaledObjectSpec(Strict):
    scale_target_ref: Named
    min_replica_count: Annotated[int, Field(ge=1)]
    max_replica_count: int
    triggers: Annotated[
        list[Annotated[RabbitmqTrigger | PrometheusTrigger, Field(discriminator="type")]], Field(min_length=1)
    ]

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min_replica_count > self.max_replica_count:
            raise ValueError("more instances at least than at most")
        return self


class ScaledObject(Strict):
    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["ScaledObject"]
    metadata: Metadata
    spec: ScaledObjectSpec


class SecretTarget(Strict):
    parameter: Literal["host", "tls", "ca"]
    name: Word
    key: str


class TriggerAuthenticationSpec(Strict):
    secret_target_ref: Annotated[list[SecretTarget], Field(min_length=1)]


class TriggerAuthentication(Strict):
    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["TriggerAuthentication"]
    metadata: Metadata
    spec: TriggerAuthenticationSpec


class Resources(Strict):
    cpu: Quantity | None = None
    memory: Quantity


class ResourceRequirements(Strict):
    requests: Resources
    limits: Resources


class LabelSelector(Strict):
    match_labels: Labels


class PodAffinityTerm(Strict):
    topology_key: str
    label_selector: LabelSelector


class PodAntiAffinity(Strict):
    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm]


class Affinity(Strict):
    pod_anti_affinity: PodAntiAffinity


class Persistence(Strict):
    storage: Quantity


class Configuration(Strict):
    additional_config: str


class Tls(Strict):
    secret_name: Word
    disable_non_tls_listeners: Annotated[bool, Field(alias="disableNonTLSListeners")]


class RabbitmqClusterSpec(Strict):
    image: str
    replicas: Literal[1, 3, 5]
    persistence: Persistence
    resources: ResourceRequirements
    rabbitmq: Configuration
    affinity: Affinity | None = None
    tls: Tls | None = None


class RabbitmqCluster(Strict):
    api_version: Literal["rabbitmq.com/v1beta1"]
    kind: Literal["RabbitmqCluster"]
    metadata: Metadata
    spec: RabbitmqClusterSpec


_ANY: TypeAdapter[ScaledObject | TriggerAuthentication | RabbitmqCluster] = TypeAdapter(
    Annotated[ScaledObject | TriggerAuthentication | RabbitmqCluster, Field(discriminator="kind")]
)


def check(found: dict[str, Any]) -> None:
    """Raise ValidationError for a custom resource that our reading of its operator's documents does not allow."""
    _ANY.validate_python(found)
