"""The network that containers run in: two public subnets, a way out, nobody in."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pulumi
import pulumi_aws as aws

from headwater.infra.platform.buckets import Account
from headwater.infra.platform.component import Component
from headwater.infra.platform.grants import Text
from headwater.infra.platform.platform import Platform
from headwater.infra.platform.tags import physical_name, tags
from headwater.infra.policies import EXEMPTIONS, exempt

CAPABILITY = "network"
CIDR = "10.42.0.0/24"
HTTPS = 443
# Zones that say "Fargate is not supported in the requested availability zone" (AWS's user guides of ECS and EKS).
WITHOUT_FARGATE = ("apne1-az3", "cac1-az3", "cnn1-az4", "use1-az3", "usw1-az2")
SUBNETS = ("10.42.0.0/26", "10.42.0.64/26")


class NoZones(Exception):
    """The region has too few zones in which containers could run."""


class Network(Component):
    """A VPC in two zones for tasks that run for minutes, or the setting ``vpcId``'s: then a security group in it alone.

    Tasks have public addresses and a security group that lets nothing in: a NAT gateway would cost more a month than
    all the training (docs/decisions/0013). S3 and DynamoDB are reached through gateway endpoints, which cost nothing.
    """

    def __init__(self, name: str, platform: Platform, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, platform, opts)
        self._name, config, exemptions = name, platform.config, []
        self.subnet_ids = pulumi.Output.from_input(list(config.subnet_ids))
        vpc: Text = config.vpc_id
        if not config.vpc_id:
            vpc = self._own(name, platform.account)
            exemptions.append(
                exempt("VPC7", "tasks run in it for minutes or hours, nothing is let in, and named ports alone go out")
            )
        self._vpc = vpc
        self.security_group_id = self._security(name, "Container tasks: nothing comes in, HTTPS goes out", [HTTPS])
        self.register_outputs({"vpc_id": vpc, EXEMPTIONS: exemptions})

    def way_out(self, name: str, ports: Collection[int], *, capability: str) -> pulumi.Output[str]:
        """Another security group, of tasks that may reach more ports than 443; a database can let in this one alone."""
        told = ", ".join(map(str, sorted({HTTPS, *ports})))
        description = f"Container tasks of {capability}: nothing comes in, TCP {told} goes out"
        return self._security(f"{self._name}-{name}", description, sorted({HTTPS, *ports}))

    def _own(self, name: str, account: Account) -> pulumi.Output[str]:
        self.vpc = aws.ec2.Vpc(
            name,
            cidr_block=CIDR,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._tags(name),
            opts=self._child,
        )
        routes = self._way_out(name)
        # Not the Local and Wavelength Zones that somebody opted in to: those have no Fargate.
        ordinary = [aws.GetAvailabilityZonesFilterArgs(name="zone-type", values=["availability-zone"])]
        zones = aws.get_availability_zones(
            state="available", filters=ordinary, exclude_zone_ids=list(WITHOUT_FARGATE)
        ).names
        if len(zones) < len(SUBNETS):
            raise NoZones(
                f"{account.region} has {len(zones)} zone(s) with Fargate for this account, the network takes "
                f"{len(SUBNETS)}: set vpcId and subnetIds, or another aws:region"
            )
        self.subnet_ids = pulumi.Output.all(*self._subnets(name, zones, routes))
        for service in ("s3", "dynamodb"):
            aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=self.vpc.id,
                service_name=f"com.amazonaws.{account.region}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=[routes.id],
                tags=self._tags(f"{name}-{service}"),
                opts=self._child,
            )
        # The default group lets its members talk to each other; nobody is to be in it.
        aws.ec2.DefaultSecurityGroup(
            name, vpc_id=self.vpc.id, ingress=[], egress=[], tags=self._tags(f"{name}-default"), opts=self._child
        )
        return self.vpc.id

    def _tags(self, name: str) -> dict[str, str]:
        return tags(capability=CAPABILITY, Name=physical_name(name, "other"))

    def _way_out(self, name: str) -> aws.ec2.RouteTable:
        gateway = aws.ec2.InternetGateway(name, vpc_id=self.vpc.id, tags=self._tags(name), opts=self._child)
        routes = aws.ec2.RouteTable(name, vpc_id=self.vpc.id, tags=self._tags(name), opts=self._child)
        aws.ec2.Route(
            f"{name}-out",
            route_table_id=routes.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=self._child,
        )
        return routes

    def _subnets(self, name: str, zones: Sequence[str], routes: aws.ec2.RouteTable) -> list[pulumi.Output[str]]:
        ids = []
        for number, (cidr, zone) in enumerate(zip(SUBNETS, zones, strict=False), start=1):
            subnet = aws.ec2.Subnet(
                f"{name}-public-{number}",
                vpc_id=self.vpc.id,
                cidr_block=cidr,
                availability_zone=zone,
                # A task asks for its address; nothing that happens to be put here gets one.
                map_public_ip_on_launch=False,
                tags=self._tags(f"{name}-public-{number}"),
                opts=self._child,
            )
            association = aws.ec2.RouteTableAssociation(
                f"{name}-public-{number}", subnet_id=subnet.id, route_table_id=routes.id, opts=self._child
            )
            ids.append(pulumi.Output.all(subnet.id, association.id).apply(lambda known: str(known[0])))
        return ids

    def _security(self, name: str, description: str, ports: Sequence[int]) -> pulumi.Output[str]:
        group = aws.ec2.SecurityGroup(
            name,
            name=physical_name(name, "other"),
            vpc_id=self._vpc,
            description=description,
            ingress=[],
            # The resolver of the VPC isn't subject to security groups: no rule for DNS is needed.
            egress=[
                {
                    "description": "HTTPS to AWS" if port == HTTPS else f"TCP {port} to where a collector reads",
                    "protocol": "tcp",
                    "from_port": port,
                    "to_port": port,
                    "cidr_blocks": ["0.0.0.0/0"],
                }
                for port in ports
            ],
            tags=self._tags(name),
            opts=self._child,
        )
        return group.id
