"""An endpoint without a type is a gateway, and a gateway's routes follow its route tables, also where they are changed.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html#gateway-endpoint-routing
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models import EC2Backend

from localcloud.moto_patches.patches import Patches


def apply(patches: Patches) -> None:
    """Let ModifyVpcEndpoint make and delete routes to the service's prefix list, as moto's CreateVpcEndpoint does."""
    create: Any = EC2Backend.create_vpc_endpoint
    modify: Any = EC2Backend.modify_vpc_endpoint

    def create_vpc_endpoint(self: Any, *, endpoint_type: str | None = None, **named: Any) -> Any:
        return create(self, endpoint_type=endpoint_type or "Gateway", **named)

    def modify_vpc_endpoint(self: Any, *, vpc_id: str, **named: Any) -> None:
        endpoint = self.describe_vpc_endpoints(vpc_end_point_ids=[vpc_id])[0]
        before, prefixes = set(endpoint.route_table_ids or ()), endpoint.destination_prefix_list_id
        modify(self, vpc_id=vpc_id, **named)
        after = set(endpoint.route_table_ids or ()) if prefixes else before
        for table in after - before:
            self.create_route(table, None, gateway_id=vpc_id, destination_prefix_list_id=prefixes)
        for table in before - after:
            self.delete_route(table, prefixes)

    patches.set(EC2Backend, "create_vpc_endpoint", create_vpc_endpoint)
    patches.set(EC2Backend, "modify_vpc_endpoint", modify_vpc_endpoint)
