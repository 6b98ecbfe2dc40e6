"""Makes a stack of a CloudFormation template at moto, and prints what its tasks may do and are told.

    stack.py --url URL --template FILE [NAME=VALUE ...]      (the template's parameters)

Prints JSON: the statements of each role, the container's command, configuration and secrets, and how long the queues keep
messages, as moto makes them; and what moto leaves out, read from the template: what its rules refuse, the roles' managed
policies, who may send to the queue, alarms and log filters. Needs no account, and a network only as far as moto makes one up.
"""

import argparse
import ast
import json
import uuid

import boto3
from botocore.config import Config
from cfnlint import decode


def value(expression, parameters, conditions):
    """What a condition, a choice by one, or a reference to a parameter comes to; anything else stays as it is."""
    if not isinstance(expression, dict) or len(expression) != 1:
        return expression
    (function, given), = expression.items()
    if function == "Fn::If":
        return value(given[1 if value({"Condition": given[0]}, parameters, conditions) else 2], parameters, conditions)
    several = [value(one, parameters, conditions) for one in given] if isinstance(given, list) else given
    match function:
        case "Ref" if given in parameters:
            return parameters[given]
        case "Condition":
            return value(conditions[given], parameters, conditions)
        case "Fn::Join":  # of a list parameter
            return several[1]
        case "Fn::Equals":
            return several[0] == several[1]
        case "Fn::Not":
            return not several[0]
        case "Fn::And":
            return all(several)
        case "Fn::Or":
            return any(several)
    return expression


def refused(template, parameters):
    """The descriptions of the rules' assertions that do not hold."""
    holds = lambda expression: value(expression, parameters, template["Conditions"])
    return [
        assertion["AssertDescription"]
        for rule in template["Rules"].values()
        if holds(rule.get("RuleCondition", True))
        for assertion in rule["Assertions"]
        if not holds(assertion["Assert"])
    ]


def watched(template, parameters):
    """Alarms and metric filters that are made with these parameters, by their names."""
    conditions = template["Conditions"]
    return {
        name: {key: value(one, parameters, conditions) for key, one in resource["Properties"].items()}
        for name, resource in template["Resources"].items()
        if resource["Type"] in ("AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter")
        and value({"Condition": resource["Condition"]} if "Condition" in resource else True, parameters, conditions)
    }


def for_moto(template):
    """The template as moto understands it, saying the same."""
    template = json.loads(json.dumps(template))
    resources = template["Resources"]
    for name, resource in list(resources.items()):
        # moto refuses such a policy where AWS::NoValue leaves a gap in it, but takes it as a part of its roles.
        if resource["Type"] == "AWS::IAM::Policy":
            policy = {key: resource["Properties"][key] for key in ("PolicyName", "PolicyDocument")}
            for role in resource["Properties"]["Roles"]:
                resources[role["Ref"]]["Properties"]["Policies"].append(policy)
            del resources[name]
        # As AWS, it takes ten of these in an account; the tests make more stacks, and delete none.
        if resource["Type"] == "AWS::Logs::ResourcePolicy":
            del resources[name]
        # It adds up what the containers of a task take, also where the task says it.
        if resource["Type"] == "AWS::ECS::TaskDefinition":
            for container in resource["Properties"]["ContainerDefinitions"]:
                container["Memory"] = 512
    # moto takes a variable of ours, written so that CloudFormation leaves it alone, for a resource.
    return json.dumps(template).replace("${!KAFKA_USERNAME}", "relay")


def statements(iam, role):
    """The inline policies of a role; moto leaves a gap where AWS::NoValue stood."""
    found = []
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        if isinstance(document, str):
            document = ast.literal_eval(document)
        found += [one for one in document["Statement"] if one]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--template", required=True)
    parser.add_argument("parameters", nargs="*")
    flags = parser.parse_args()
    common = dict(
        endpoint_url=flags.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        # A stack is made within one call, which takes its time on a busy machine and must not be made twice.
        config=Config(read_timeout=900, retries=dict(total_max_attempts=1)),
    )
    cloudformation, ec2, ecs, iam, sqs = (
        boto3.client(name, **common) for name in ("cloudformation", "ec2", "ecs", "iam", "sqs")
    )
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    values = {"VpcId": vpc, "SubnetIds": subnet}
    values.update(pair.split("=", 1) for pair in flags.parameters)
    template = decode.decode(flags.template)[0]
    parameters = {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()} | values
    name = "stack-" + uuid.uuid4().hex[:8]
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=for_moto(template),
        Parameters=[dict(ParameterKey=key, ParameterValue=value) for key, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    ids = {one.get("LogicalResourceId"): one.get("PhysicalResourceId") for one in resources}
    task = ecs.describe_task_definition(taskDefinition=ids["TaskDefinition"])["taskDefinition"]
    container = task["containerDefinitions"][0]
    environment = {one["name"]: one["value"] for one in container.get("environment", [])}
    attributes = {
        queue: sqs.get_queue_attributes(QueueUrl=ids[queue], AttributeNames=["All"])["Attributes"]
        for queue in ("Queue", "DeadLetterQueue")
    }
    written = lambda name: template["Resources"][name]["Properties"]
    chosen = lambda expression: value(expression, parameters, template["Conditions"])
    print(
        json.dumps(
            {
                "refused": refused(template, parameters),
                "service": statements(iam, ids["TaskRole"]),
                "one_off": statements(iam, ids["OneOffTaskRole"]),
                "managed": [chosen(written(role)["ManagedPolicyArns"]) for role in ("TaskRole", "OneOffTaskRole")],
                "senders": [
                    one["Sid"]
                    for one in map(chosen, written("QueuePolicy")["PolicyDocument"]["Statement"])
                    if one.get("Effect") == "Allow"
                ],
                "command": container["command"],
                "configuration": environment.get("CERTRELAY_CONFIG"),
                "secrets": [one["name"] for one in container.get("secrets", []) if one],
                "retention": [int(attributes[queue]["MessageRetentionPeriod"]) for queue in attributes],
                "watched": watched(template, parameters),
            }
        )
    )


if __name__ == "__main__":
    main()
