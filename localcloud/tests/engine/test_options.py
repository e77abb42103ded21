"""Resource options and kinds of resources, as Pulumi's own engine treats them."""

from __future__ import annotations

import pytest
from localcloud.testing import CloudBeside

from localcloud import engine


def test_components_hold_their_children(program) -> None:
    program.write(
        """
        class Pair(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("tests:index:Pair", name, {}, opts)
                child = pulumi.ResourceOptions(parent=self)
                self.topic = aws.sns.Topic(f"{name}-topic", opts=child)
                self.queue = aws.sqs.Queue(f"{name}-queue", opts=child)
                self.register_outputs({"topic": self.topic.arn})

        pair = Pair("pair")
        aws.sns.TopicSubscription(
            "link", topic=pair.topic.arn, protocol="sqs", endpoint=pair.queue.arn,
            opts=pulumi.ResourceOptions(depends_on=[pair]),
        )
        """
    )
    deployed = program.deploy()
    by_name = {resource.name: resource for resource in deployed.resources}
    assert by_name["pair-topic"].urn.split("::")[2] == "tests:index:Pair$aws:sns/topic:Topic"
    assert by_name["pair-topic"].parent == by_name["pair"].urn
    assert by_name["pair"].outputs == {"topic": by_name["pair-topic"].outputs["arn"]}
    assert set(by_name["link"].dependencies) == {by_name["pair-topic"].urn, by_name["pair-queue"].urn}
    assert by_name["link"].property_dependencies["topic"] == [by_name["pair-topic"].urn]
    assert program.deploy().changes == {"same": 5}


def test_a_protected_resource_is_not_deleted(program, queues) -> None:
    text = 'aws.sqs.Queue(pulumi.get_project() + "-kept", opts=pulumi.ResourceOptions(protect=PROTECT))\n'
    program.write(text.replace("PROTECT", "True")).deploy()
    with pytest.raises(engine.DeployError, match="protected: take the protection off"):
        program.destroy()
    with pytest.raises(engine.DeployError, match="protected"):
        program.write("").deploy()
    assert queues() == {"kept": 1}
    assert program.write(text.replace("PROTECT", "False")).deploy().changes == {"same": 2}


def test_a_retained_resource_outlives_the_stack(program, queues, cloud: CloudBeside) -> None:
    program.write('aws.sqs.Queue(pulumi.get_project() + "-left", opts=pulumi.ResourceOptions(retain_on_delete=True))\n')
    url = next(resource.id for resource in program.deploy().resources if "sqs" in resource.type)
    program.destroy()
    assert queues() == {"left": 1}
    cloud.client("sqs").delete_queue(QueueUrl=url)


def test_changes_that_are_to_be_ignored_are(program) -> None:
    text = """
        aws.sqs.Queue(
            "q", delay_seconds=DELAY, tags={"a": "TAG"},
            opts=pulumi.ResourceOptions(ignore_changes=["delaySeconds", "tags.a"]),
        )
    """
    program.write(text.replace("DELAY", "1").replace("TAG", "x")).deploy()
    assert program.write(text.replace("DELAY", "2").replace("TAG", "y")).deploy().changes == {"same": 2}


def test_a_renamed_resource_is_known_by_its_alias(program, queues) -> None:
    program.write('aws.sqs.Queue("old", name=pulumi.get_project() + "-q")\n').deploy()
    program.write(
        """
        options = pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")])
        aws.sqs.Queue("new", name=pulumi.get_project() + "-q", opts=options)
        """
    )
    assert program.deploy().changes == {"same": 2}
    assert [resource.name for resource in program.resources() if "sqs" in resource.type] == ["new"]


def test_replace_on_changes_and_delete_before_replace_are_obeyed(program) -> None:
    text = """
        options = pulumi.ResourceOptions(replace_on_changes=["delaySeconds"], delete_before_replace=True)
        aws.sqs.Queue("q", delay_seconds=DELAY, opts=options)
    """
    program.write(text.replace("DELAY", "1")).deploy()
    assert program.write(text.replace("DELAY", "2")).deploy().changes["replace"] == 1
    assert program.did() == ["delete Queue q", "replace Queue q"]


def test_something_that_exists_is_imported_and_something_else_is_looked_up(program, cloud: CloudBeside) -> None:
    url = cloud.client("sqs").create_queue(QueueName="engine-tests-imported")["QueueUrl"]
    text = """
        queue = aws.sqs.Queue(
            "mine", name="engine-tests-imported", delay_seconds=DELAY, opts=pulumi.ResourceOptions(import_="URL")
        )
        known = aws.sqs.Queue.get("known", "URL")
        pulumi.export("arn", known.arn)
    """.replace("URL", url)
    with pytest.raises(engine.DeployError, match="isn't as the program has it: delaySeconds"):
        program.write(text.replace("DELAY", "7")).deploy()
    deployed = program.write(text.replace("DELAY", "0")).deploy()
    assert deployed.changes["import"] == 1
    assert deployed.changes["read"] == 1
    assert deployed.outputs["arn"].endswith(":engine-tests-imported")
    assert "import" not in program.deploy().changes


def test_a_provider_of_ones_own_gives_default_tags(program, cloud: CloudBeside) -> None:
    text = """
        provider = aws.Provider("ours", region="us-east-1", default_tags={"tags": {"Team": "TEAM"}})
        queue = aws.sqs.Queue("q", tags={"a": "b"}, opts=pulumi.ResourceOptions(provider=provider))
        pulumi.export("url", queue.url)
        pulumi.export("tags", queue.tags_all)
    """
    outputs = program.write(text.replace("TEAM", "ml")).deploy().outputs
    assert outputs["tags"] == {"Team": "ml", "a": "b"}
    changed = program.write(text.replace("TEAM", "data")).deploy()
    assert changed.changes == {"same": 1, "update": 2}
    assert cloud.client("sqs").list_queue_tags(QueueUrl=outputs["url"])["Tags"] == {"Team": "data", "a": "b"}


def test_a_package_without_a_local_provider_is_refused(program) -> None:
    program.write(
        """
        class Pet(pulumi.CustomResource):
            def __init__(self, name):
                super().__init__("random:index/randomPet:RandomPet", name, {})
        Pet("p")
        """
    )
    with pytest.raises(engine.DeployError, match="provider of aws only, not of 'random'"):
        program.deploy()


def test_an_old_style_transformation_reaches_every_resource(program) -> None:
    program.write(
        """
        def tagged(args):
            if args.type_ == "aws:sqs/queue:Queue":
                return pulumi.ResourceTransformationResult({**args.props, "tags": {"by": "transformation"}}, args.opts)

        pulumi.runtime.register_stack_transformation(tagged)
        pulumi.export("tags", aws.sqs.Queue("q").tags_all)
        """
    )
    assert program.deploy().outputs["tags"] == {"by": "transformation"}
