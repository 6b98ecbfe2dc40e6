"""Makes a stack of a CloudFormation template at moto, and prints what its tasks may do and are told.

    stack.py --url URL --template FILE [NAME=VALUE ...]      (the template's parameters)

Prints JSON: the task role's statements, and the container's command and configuration. Needs no account, and a network
only as far as moto makes one up.
"""

import argparse
import ast
import json
import uuid

import boto3
from botocore.config import Config


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
    cloudformation, ec2, ecs, iam = (
        boto3.client(name, **common) for name in ("cloudformation", "ec2", "ecs", "iam")
    )
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    values = {"VpcId": vpc, "SubnetIds": subnet}
    values.update(pair.split("=", 1) for pair in flags.parameters)
    name = "stack-" + uuid.uuid4().hex[:8]
    with open(flags.template, encoding="utf-8") as template:
        cloudformation.create_stack(
            StackName=name,
            # moto takes a variable of ours, written so that CloudFormation leaves it alone, for a resource.
            TemplateBody=template.read().replace("${!KAFKA_USERNAME}", "relay"),
            Parameters=[dict(ParameterKey=key, ParameterValue=value) for key, value in values.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    ids = {one.get("LogicalResourceId"): one.get("PhysicalResourceId") for one in resources}
    policy = iam.get_role_policy(RoleName=ids["TaskRole"], PolicyName="forward-events")["PolicyDocument"]
    if isinstance(policy, str):
        policy = ast.literal_eval(policy)
    task = ecs.describe_task_definition(taskDefinition=ids["TaskDefinition"])["taskDefinition"]
    container = task["containerDefinitions"][0]
    environment = {one["name"]: one["value"] for one in container["environment"]}
    print(
        json.dumps(
            {
                # moto leaves a gap where AWS::NoValue stood.
                "statements": [one for one in policy["Statement"] if one],
                "command": container["command"],
                "configuration": environment["CERTRELAY_CONFIG"],
            }
        )
    )


if __name__ == "__main__":
    main()
