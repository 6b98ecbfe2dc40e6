"""Sets up a bucket whose puts reach a queue, by one of the ways AWS offers, and prints where.

    moto_wiring.py --url URL --route s3|sns|sns-raw|eventbridge|cloudtrail
                   [--visibility 30] [--max-receive-count 5]
    moto_wiring.py --url URL --publish TOPIC-ARN        (one message a line of standard input)

Prints JSON: bucket, queue_url, dead_letter_url, and topic_arn where there is one. By the route
`cloudtrail` a topic reaches the queue and the bucket tells nobody: CloudTrail writes to that topic
itself, which is what --publish is for. Written in boto3 because the tests' Rust side has no client for
SNS and EventBridge, and needs none for anything else.
"""

import argparse
import json
import sys
import uuid

import boto3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    todo = parser.add_mutually_exclusive_group(required=True)
    todo.add_argument("--route", choices=["s3", "sns", "sns-raw", "eventbridge", "cloudtrail"])
    todo.add_argument("--publish", metavar="TOPIC-ARN")
    parser.add_argument("--visibility", default="30")
    parser.add_argument("--max-receive-count", type=int, default=5)
    flags = parser.parse_args()
    common = dict(
        endpoint_url=flags.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    s3, sqs, sns, events = (boto3.client(name, **common) for name in ("s3", "sqs", "sns", "events"))
    if flags.publish:
        for message in sys.stdin.read().splitlines():
            sns.publish(TopicArn=flags.publish, Message=message)
        return
    name = f"{flags.route}-{uuid.uuid4().hex[:12]}"

    def queue(name, **attributes):
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]

    dead_url, dead_arn = queue(f"{name}-dead-letters")
    redrive = {"deadLetterTargetArn": dead_arn, "maxReceiveCount": flags.max_receive_count}
    url, arn = queue(
        name, VisibilityTimeout=flags.visibility, RedrivePolicy=json.dumps(redrive)
    )
    s3.create_bucket(Bucket=name)
    created = ["s3:ObjectCreated:*"]
    topic = None
    if flags.route == "s3":
        notify = {"QueueConfigurations": [{"QueueArn": arn, "Events": created}]}
    elif flags.route in ("sns", "sns-raw", "cloudtrail"):
        topic = sns.create_topic(Name=name)["TopicArn"]
        raw = {"RawMessageDelivery": "true"} if flags.route == "sns-raw" else {}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
        to_topic = {"TopicConfigurations": [{"TopicArn": topic, "Events": created}]}
        notify = {} if flags.route == "cloudtrail" else to_topic
    else:
        pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [name]}}}
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        notify = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=notify)
    wired = {"bucket": name, "queue_url": url, "dead_letter_url": dead_url, "topic_arn": topic}
    print(json.dumps(wired))


if __name__ == "__main__":
    main()
