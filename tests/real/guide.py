"""Follows the awscli commands of documentation at moto: one shell script, in an account that has what the reader is told to have.

    guide.py --url URL --template FILE [NAME=VALUE ...] < SCRIPT      (NAME is replaced by VALUE in the script)

The script is run by bash, with the template where it names it. `vpc-1` and `subnet-1` … in the script become ones that are
there. What moto cannot do is held against the service's model and not sent. Prints JSON: what the script printed, what was not
sent, whom the bucket notifies, and what the single tasks were told.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import boto3
from cfnlint import decode

from stack import for_moto

# awscli, but for what moto lacks: two operations, and the outputs of a stack that a change set makes; what is in
# the set is made at once.
AWS = '''import json, sys
import botocore.client, botocore.validate
from awscli.clidriver import main

real = botocore.client.BaseClient._make_api_call
def call(self, operation, given):
    if operation not in ("StartMessageMoveTask", "FilterLogEvents", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet"):
        return real(self, operation, given)
    report = botocore.validate.ParamValidator().validate(given, self.meta.service_model.operation_model(operation).input_shape)
    if report.has_errors():
        sys.exit(operation + ": " + report.generate_report())
    if operation == "CreateChangeSet":
        made = "CreateStack" if given["ChangeSetType"] == "CREATE" else "UpdateStack"
        # moto's update knows no defaults.
        named = [one["ParameterKey"] for one in given["Parameters"]]
        defaults = [(key, str(one["Default"])) for key, one in json.loads(given["TemplateBody"])["Parameters"].items() if "Default" in one]
        given["Parameters"] += [dict(ParameterKey=key, ParameterValue=value) for key, value in defaults if key not in named]
        real(self, made, {name: given[name] for name in ("StackName", "TemplateBody", "Parameters", "Capabilities")})
    with open("not-sent", "a") as kept:
        kept.write(operation + "\\n")
    return {"Id": "change-set", "StackId": "stack", "Status": "CREATE_COMPLETE"}
botocore.client.BaseClient._make_api_call = call
sys.exit(main())
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--template", required=True)
    parser.add_argument("replaced", nargs="*")
    flags = parser.parse_args()
    script = sys.stdin.read()
    for name, value in (pair.split("=", 1) for pair in flags.replaced):
        assert name in script, f"{name} is not in the script"
        script = script.replace(name, value)

    login = dict(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1", endpoint_url=flags.url)
    ec2, ecs, s3 = (boto3.client(name, **login) for name in ("ec2", "ecs", "s3"))
    bucket = "audit-logs"
    s3.create_bucket(Bucket=bucket)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in (1, 2)]
    for name, there in [("vpc-1", vpc), ("subnet-1", subnets[0]), ("subnet-2", subnets[1])]:
        script = script.replace(name, there)

    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        shipped = place / "deploy/cloudformation/certrelay.yaml"
        shipped.parent.mkdir(parents=True)
        shipped.write_text(for_moto(decode.decode(flags.template)[0]))
        program = place / "awscli-at-moto.py"
        program.write_text(AWS)
        aws = place / "bin/aws"
        aws.parent.mkdir()
        # A stack is made within one call, which takes its time on a busy machine and must not be made twice.
        started = shlex.join([sys.executable, str(program), "--cli-read-timeout", "900"])
        aws.write_text(f'#!/bin/sh\nexec {started} "$@"\n')
        aws.chmod(0o755)
        told = {
            "PATH": f"{aws.parent}:{os.environ['PATH']}",
            "HOME": folder,
            "AWS_ENDPOINT_URL": flags.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
        }
        bash = ["bash", "-euo", "pipefail", "-c", script]
        ran = subprocess.run(bash, cwd=folder, env=told, capture_output=True, text=True, timeout=3600)
        if ran.returncode != 0:
            sys.exit(f"the script ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
        unsent = place / "not-sent"
        not_sent = unsent.read_text().split() if unsent.exists() else []

    notified = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    overrides = []
    for cluster in ecs.list_clusters()["clusterArns"]:
        tasks = ecs.list_tasks(cluster=cluster)["taskArns"]
        if tasks:
            overrides += [one["overrides"] for one in ecs.describe_tasks(cluster=cluster, tasks=tasks)["tasks"]]
    print(
        json.dumps(
            {
                "printed": ran.stdout,
                "not_sent": not_sent,
                "notified": [(one["QueueArn"], one.get("Filter", {})) for one in notified],
                "overrides": [one for one in overrides if one],
            }
        )
    )


if __name__ == "__main__":
    main()
