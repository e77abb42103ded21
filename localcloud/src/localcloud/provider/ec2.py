"""EC2: the network, but for its security groups."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from localcloud.provider.resource import Call, ProviderError, Resource
from localcloud.provider.shape import capitals, pascal, renamed, tag_list, tag_map
from localcloud.provider.values import Properties


class Tagged(Resource):
    """Something of EC2 that carries tags; in EC2 all are tagged in the same way."""

    service = "ec2"
    tagged = True

    def tag(self, call: Call) -> None:
        """Set the tags of ``call.id``."""
        if call.tags:
            call.client.create_tags(Resources=[call.id], Tags=tag_list(call.tags))
        if call.removed_tags():
            call.client.delete_tags(Resources=[call.id], Tags=[{"Key": key} for key in call.removed_tags()])

    def update(self, call: Call) -> None:
        self.tag(call)


class Vpc(Tagged, kind="aws:ec2/vpc:Vpc"):
    schema_version = 1
    required = ("cidrBlock",)
    defaults: ClassVar = {"enableDnsSupport": True, "enableDnsHostnames": False, "instanceTenancy": "default"}
    replace = ("cidrBlock", "instanceTenancy")

    def create(self, call: Call) -> str:
        names = {"cidrBlock": "CidrBlock", "instanceTenancy": "InstanceTenancy"}
        call.keep(call.client.create_vpc(**renamed(call.inputs, names))["Vpc"]["VpcId"])
        self.update(call)
        return call.id

    def read(self, call: Call) -> Properties:
        client, within = call.client, [{"Name": "vpc-id", "Values": [call.id]}]
        found = client.describe_vpcs(VpcIds=[call.id])["Vpcs"][0]
        groups = client.describe_security_groups(Filters=within)["SecurityGroups"]
        main = [*within, {"Name": "association.main", "Values": ["true"]}]
        tables = client.describe_route_tables(Filters=main)["RouteTables"]
        acls = client.describe_network_acls(Filters=[*within, {"Name": "default", "Values": ["true"]}])["NetworkAcls"]
        flags = {
            name: client.describe_vpc_attribute(VpcId=call.id, Attribute=name)[api]["Value"]
            for name, api in (("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames"))
        }
        table = tables[0]["RouteTableId"] if tables else ""
        return {
            **flags,
            "arn": call.aws.arn("ec2", f"vpc/{call.id}"),
            "cidrBlock": found["CidrBlock"],
            "instanceTenancy": found["InstanceTenancy"],
            "tagsAll": tag_map(found.get("Tags")),
            "ownerId": found.get("OwnerId", call.aws.account_id),
            "dhcpOptionsId": found.get("DhcpOptionsId", ""),
            "mainRouteTableId": table,
            "defaultRouteTableId": table,
            "defaultNetworkAclId": acls[0]["NetworkAclId"] if acls else "",
            "defaultSecurityGroupId": next((g["GroupId"] for g in groups if g["GroupName"] == "default"), ""),
        }

    def update(self, call: Call) -> None:
        for name, api in (("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames")):
            if call.changed(name):
                call.client.modify_vpc_attribute(VpcId=call.id, **{api: {"Value": call.inputs[name]}})
        self.tag(call)

    def delete(self, call: Call) -> None:
        call.client.delete_vpc(VpcId=call.id)


class Subnet(Tagged, kind="aws:ec2/subnet:Subnet"):
    schema_version = 1
    required = ("vpcId", "cidrBlock")
    optional = ("availabilityZone", "availabilityZoneId")
    defaults: ClassVar = {"mapPublicIpOnLaunch": False, "assignIpv6AddressOnCreation": False}
    replace = ("vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId")

    def create(self, call: Call) -> str:
        given = pascal(call.get("vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId"))
        call.keep(call.client.create_subnet(**given)["Subnet"]["SubnetId"])
        self.update(call)
        return call.id

    def read(self, call: Call) -> Properties:
        found = call.client.describe_subnets(SubnetIds=[call.id])["Subnets"][0]
        return {
            "arn": found.get("SubnetArn", call.aws.arn("ec2", f"subnet/{call.id}")),
            "vpcId": found["VpcId"],
            "cidrBlock": found["CidrBlock"],
            "availabilityZone": found["AvailabilityZone"],
            "availabilityZoneId": found.get("AvailabilityZoneId", ""),
            "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
            "assignIpv6AddressOnCreation": found.get("AssignIpv6AddressOnCreation", False),
            "tagsAll": tag_map(found.get("Tags")),
            "ownerId": found.get("OwnerId", call.aws.account_id),
        }

    def update(self, call: Call) -> None:
        if call.changed("mapPublicIpOnLaunch"):
            wanted = {"Value": call.inputs["mapPublicIpOnLaunch"]}
            call.client.modify_subnet_attribute(SubnetId=call.id, MapPublicIpOnLaunch=wanted)
        self.tag(call)

    def delete(self, call: Call) -> None:
        call.client.delete_subnet(SubnetId=call.id)


class InternetGateway(Tagged, kind="aws:ec2/internetGateway:InternetGateway"):
    optional = ("vpcId",)

    def create(self, call: Call) -> str:
        call.keep(call.client.create_internet_gateway()["InternetGateway"]["InternetGatewayId"])
        self.update(call)
        return call.id

    def read(self, call: Call) -> Properties:
        found = call.client.describe_internet_gateways(InternetGatewayIds=[call.id])["InternetGateways"][0]
        attached = [attachment["VpcId"] for attachment in found["Attachments"]]
        read = {"arn": call.aws.arn("ec2", f"internet-gateway/{call.id}"), "ownerId": call.aws.account_id}
        return {**read, "vpcId": attached[0] if attached else None, "tagsAll": tag_map(found.get("Tags"))}

    def update(self, call: Call) -> None:
        if call.changed("vpcId"):
            if call.old.get("vpcId"):
                call.client.detach_internet_gateway(InternetGatewayId=call.id, VpcId=call.old["vpcId"])
            if call.inputs.get("vpcId"):
                call.client.attach_internet_gateway(InternetGatewayId=call.id, VpcId=call.inputs["vpcId"])
        self.tag(call)

    def delete(self, call: Call) -> None:
        found = call.client.describe_internet_gateways(InternetGatewayIds=[call.id])["InternetGateways"][0]
        for attachment in found["Attachments"]:
            call.client.detach_internet_gateway(InternetGatewayId=call.id, VpcId=attachment["VpcId"])
        call.client.delete_internet_gateway(InternetGatewayId=call.id)


class RouteTable(Tagged, kind="aws:ec2/routeTable:RouteTable"):
    required = ("vpcId",)
    replace = ("vpcId",)

    def create(self, call: Call) -> str:
        call.keep(call.client.create_route_table(VpcId=call.inputs["vpcId"])["RouteTable"]["RouteTableId"])
        self.tag(call)
        return call.id

    def read(self, call: Call) -> Properties:
        found = call.client.describe_route_tables(RouteTableIds=[call.id])["RouteTables"][0]
        arn = call.aws.arn("ec2", f"route-table/{call.id}")
        owner, tags = found.get("OwnerId", call.aws.account_id), tag_map(found.get("Tags"))
        return {"arn": arn, "vpcId": found["VpcId"], "ownerId": owner, "tagsAll": tags}

    def delete(self, call: Call) -> None:
        call.client.delete_route_table(RouteTableId=call.id)


class Route(Resource, kind="aws:ec2/route:Route"):
    service = "ec2"
    required = ("routeTableId", "destinationCidrBlock")
    optional = ("gatewayId", "natGatewayId", "vpcEndpointId", "networkInterfaceId")
    replace = ("routeTableId", "destinationCidrBlock")

    def create(self, call: Call) -> str:
        call.client.create_route(**pascal(call.get(*self.required, *self.optional)))
        digest = hashlib.sha256(call.inputs["destinationCidrBlock"].encode()).hexdigest()[:10]
        return f"r-{call.inputs['routeTableId']}{int(digest, 16) % 2**32}"

    def read(self, call: Call) -> Properties | None:
        tables = call.client.describe_route_tables(RouteTableIds=[call.inputs["routeTableId"]])["RouteTables"]
        for route in tables[0]["Routes"]:
            if route.get("DestinationCidrBlock") == call.inputs["destinationCidrBlock"]:
                targets = {name: route.get(name[0].upper() + name[1:]) or None for name in self.optional}
                if targets["vpcEndpointId"] is None and str(targets["gatewayId"]).startswith("vpce-"):
                    targets["vpcEndpointId"] = targets.pop("gatewayId")
                return {**targets, "state": route.get("State", "active"), "origin": route.get("Origin", "CreateRoute")}
        return None

    def update(self, call: Call) -> None:
        call.client.replace_route(**pascal(call.get(*self.required, *self.optional)))

    def delete(self, call: Call) -> None:
        call.client.delete_route(**pascal(call.get(*self.required)))


class RouteTableAssociation(Resource, kind="aws:ec2/routeTableAssociation:RouteTableAssociation"):
    service = "ec2"
    required = ("routeTableId", "subnetId")
    replace = ("subnetId", "routeTableId")

    def create(self, call: Call) -> str:
        return str(call.client.associate_route_table(**pascal(call.get(*self.required)))["AssociationId"])

    def read(self, call: Call) -> Properties | None:
        tables = call.client.describe_route_tables(RouteTableIds=[call.inputs["routeTableId"]])["RouteTables"]
        known = [association["RouteTableAssociationId"] for association in tables[0]["Associations"]]
        return {} if call.id in known else None

    def delete(self, call: Call) -> None:
        call.client.disassociate_route_table(AssociationId=call.id)


class VpcEndpoint(Tagged, kind="aws:ec2/vpcEndpoint:VpcEndpoint"):
    required = ("vpcId", "serviceName")
    optional = ("policy", "routeTableIds", "subnetIds", "securityGroupIds", "privateDnsEnabled")
    defaults: ClassVar = {"vpcEndpointType": "Gateway"}
    replace = ("vpcId", "serviceName", "vpcEndpointType")
    documents = ("policy",)
    unordered = ("routeTableIds", "subnetIds", "securityGroupIds")

    def create(self, call: Call) -> str:
        names = capitals(
            "vpcId",
            "serviceName",
            "vpcEndpointType",
            "routeTableIds",
            "subnetIds",
            "securityGroupIds",
            "privateDnsEnabled",
        ) | {"policy": "PolicyDocument"}
        call.keep(call.client.create_vpc_endpoint(**renamed(call.inputs, names))["VpcEndpoint"]["VpcEndpointId"])
        self.tag(call)
        return call.id

    def read(self, call: Call) -> Properties | None:
        found = call.client.describe_vpc_endpoints(VpcEndpointIds=[call.id])["VpcEndpoints"]
        if not found or found[0]["State"].lower() == "deleted":
            return None
        return {
            "arn": call.aws.arn("ec2", f"vpc-endpoint/{call.id}"),
            "vpcId": found[0]["VpcId"],
            "serviceName": found[0]["ServiceName"],
            "state": found[0]["State"],
            "vpcEndpointType": found[0]["VpcEndpointType"],
            "routeTableIds": found[0].get("RouteTableIds") or None,
            "subnetIds": found[0].get("SubnetIds") or None,
            "tagsAll": tag_map(found[0].get("Tags")),
            "ownerId": call.aws.account_id,
            "networkInterfaceIds": found[0].get("NetworkInterfaceIds", []),
        }

    def update(self, call: Call) -> None:
        arguments: dict[str, Any] = {}
        for name, api in (
            ("routeTableIds", "RouteTableIds"),
            ("subnetIds", "SubnetIds"),
            ("securityGroupIds", "SecurityGroupIds"),
        ):
            old, new = set(call.old.get(name) or ()), set(call.inputs.get(name) or ())
            arguments |= {f"Add{api}": sorted(new - old)} if new - old else {}
            arguments |= {f"Remove{api}": sorted(old - new)} if old - new else {}
        if call.changed("policy"):
            arguments |= {"PolicyDocument": call.inputs["policy"]} if "policy" in call.inputs else {"ResetPolicy": True}
        if arguments:
            call.client.modify_vpc_endpoint(VpcEndpointId=call.id, **arguments)
        self.tag(call)

    def delete(self, call: Call) -> None:
        call.client.delete_vpc_endpoints(VpcEndpointIds=[call.id])


class FlowLog(Tagged, kind="aws:ec2/flowLog:FlowLog"):
    optional = ("vpcId", "subnetId", "eniId", "iamRoleArn", "logDestination", "logFormat", "trafficType")
    defaults: ClassVar = {"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600}
    replace = (*optional, "logDestinationType", "maxAggregationInterval")

    def create(self, call: Call) -> str:
        kind, name = next(
            (kind, name)
            for kind, name in (("VPC", "vpcId"), ("Subnet", "subnetId"), ("NetworkInterface", "eniId"))
            if call.inputs.get(name)
        )
        names = capitals(
            "logDestination", "logDestinationType", "logFormat", "trafficType", "maxAggregationInterval"
        ) | {"iamRoleArn": "DeliverLogsPermissionArn"}
        made = call.client.create_flow_logs(
            ResourceIds=[call.inputs[name]], ResourceType=kind, **renamed(call.inputs, names)
        )
        if made.get("Unsuccessful"):
            raise ProviderError(made["Unsuccessful"][0]["Error"]["Message"])
        call.keep(made["FlowLogIds"][0])
        self.tag(call)
        return call.id

    def read(self, call: Call) -> Properties | None:
        found = call.client.describe_flow_logs(FlowLogIds=[call.id])["FlowLogs"]
        return {"arn": call.aws.arn("ec2", f"vpc-flow-log/{call.id}")} if found else None

    def delete(self, call: Call) -> None:
        call.client.delete_flow_logs(FlowLogIds=[call.id])
