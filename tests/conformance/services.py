"""Clients for one pair of servers, and the calls that every check begins with."""

import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

CHECKS = []


def check(function):
    """Registers a check: a function that is given the services and returns a result."""
    CHECKS.append(function)
    return function


class Services:
    def __init__(self, sqs_url, s3_url):
        common = dict(
            region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
        self.sqs = boto3.client("sqs", endpoint_url=sqs_url, config=config, **common)
        self.s3 = boto3.client("s3", endpoint_url=s3_url, config=config, **common)

    def queue(self, **attributes):
        url = self.sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:12]}")["QueueUrl"]
        if attributes:
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return url

    def arn(self, url):
        response = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return response["Attributes"]["QueueArn"]

    def bucket(self):
        name = f"b-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=name)
        return name

    def send(self, url, body="body"):
        return self.sqs.send_message(QueueUrl=url, MessageBody=body)

    def receive(self, url, count=1, wait=0, **more):
        response = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=count,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
            **more,
        )
        return response.get("Messages", [])

    def counts(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        response = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return [int(response["Attributes"][name]) for name in names]

    def notified_bucket(self, **configuration):
        queue, bucket = self.queue(), self.bucket()
        to_queue = {
            "Id": "all",
            "QueueArn": self.arn(queue),
            "Events": ["s3:ObjectCreated:*"],
            **configuration,
        }
        self.s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [to_queue]}
        )
        return bucket, queue


def error_of(call, **arguments):
    """The error's code, without the prefix that some have in the query protocol."""
    try:
        call(**arguments)
        return None
    except ClientError as error:
        return error.response["Error"]["Code"].removeprefix("AWS.SimpleQueueService.")


def batch_codes(response):
    failed = [(entry["Id"], entry["Code"]) for entry in response.get("Failed", [])]
    return {"ok": [e["Id"] for e in response.get("Successful", [])], "failed": failed}


def handles(message):
    return message["ReceiptHandle"]
