"""Behaviour of SQS. The only waits are visibility timeouts of one second."""

import hashlib
import json
import time

from services import batch_codes, check, error_of, handles


@check
def send_and_receive_return_the_md5(aws):
    url = aws.queue()
    sent = aws.send(url, "häĺlo")
    [message] = aws.receive(url)
    md5 = hashlib.md5("häĺlo".encode()).hexdigest()
    return {
        "sent": sent["MD5OfMessageBody"] == md5,
        "received": message["MD5OfBody"] == md5,
        "same id": sent["MessageId"] == message["MessageId"],
        "body": message["Body"],
    }


@check
def system_attributes_are_returned_only_on_request(aws):
    url = aws.queue()
    aws.send(url)
    names = ["SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp"]
    plain = aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"][0]
    named = aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MessageSystemAttributeNames=names)
    legacy = aws.sqs.receive_message(QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])
    return {
        "plain": "Attributes" in plain,
        "named": sorted(named["Messages"][0]["Attributes"]),
        "legacy": legacy["Messages"][0]["Attributes"],
    }


@check
def a_message_is_hidden_and_redelivered_with_a_new_handle(aws):
    url = aws.queue(VisibilityTimeout="1")
    aws.send(url)
    [first] = aws.receive(url)
    hidden = aws.receive(url)
    [second] = aws.receive(url, wait=5)
    return {
        "hidden": hidden == [],
        "same id": first["MessageId"] == second["MessageId"],
        "new handle": handles(first) != handles(second),
        "counts": [m["Attributes"]["ApproximateReceiveCount"] for m in (first, second)],
        "same first receive": first["Attributes"]["ApproximateFirstReceiveTimestamp"]
        == second["Attributes"]["ApproximateFirstReceiveTimestamp"],
    }


@check
def change_visibility_extends_and_zero_releases(aws):
    url = aws.queue(VisibilityTimeout="1")
    aws.send(url)
    [message] = aws.receive(url)
    aws.sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=handles(message), VisibilityTimeout=60
    )
    time.sleep(1.2)
    extended = aws.receive(url) == []
    aws.sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=handles(message), VisibilityTimeout=0
    )
    [again] = aws.receive(url)
    return {"extended": extended, "count": again["Attributes"]["ApproximateReceiveCount"]}


@check
def deleting_with_a_stale_handle(aws):
    url = aws.queue()
    aws.send(url)
    [first] = aws.receive(url, VisibilityTimeout=0)
    [second] = aws.receive(url)
    error = error_of(aws.sqs.delete_message, QueueUrl=url, ReceiptHandle=handles(first))
    return {"error": error, "left": sum(aws.counts(url))}


@check
def deleting_twice_and_after_the_visibility_timeout(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url, VisibilityTimeout=0)
    calls = [
        error_of(aws.sqs.delete_message, QueueUrl=url, ReceiptHandle=handles(message))
        for _ in range(2)
    ]
    return {"errors": calls, "left": sum(aws.counts(url))}


@check
def garbage_handles_are_invalid(aws):
    url = aws.queue()
    arguments = dict(QueueUrl=url, ReceiptHandle="garbage")
    return [
        error_of(aws.sqs.delete_message, **arguments),
        error_of(aws.sqs.change_message_visibility, VisibilityTimeout=1, **arguments),
    ]


@check
def changing_the_visibility_of_a_visible_message(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url, VisibilityTimeout=0)
    arguments = dict(QueueUrl=url, ReceiptHandle=handles(message), VisibilityTimeout=10)
    return error_of(aws.sqs.change_message_visibility, **arguments)


@check
def changing_the_visibility_of_a_deleted_message(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url)
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=handles(message))
    arguments = dict(QueueUrl=url, ReceiptHandle=handles(message), VisibilityTimeout=10)
    return error_of(aws.sqs.change_message_visibility, **arguments)


@check
def visibility_is_limited_to_twelve_hours(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url)
    time.sleep(1.1)
    arguments = dict(QueueUrl=url, ReceiptHandle=handles(message))
    change = aws.sqs.change_message_visibility
    return [
        error_of(change, VisibilityTimeout=43_201, **arguments),
        error_of(change, VisibilityTimeout=43_200, **arguments),
        error_of(change, VisibilityTimeout=43_190, **arguments),
    ]


@check
def redrive_at_max_receive_count(aws):
    dead = aws.queue()
    policy = {"deadLetterTargetArn": aws.arn(dead), "maxReceiveCount": "2"}
    url = aws.queue(RedrivePolicy=json.dumps(policy))
    sent = aws.send(url, "poison")
    received = [len(aws.receive(url, VisibilityTimeout=0)) for _ in range(3)]
    [message] = aws.receive(dead)
    return {
        "received": received,
        "body": message["Body"],
        "same id": message["MessageId"] == sent["MessageId"],
        "left": aws.counts(url),
    }


@check
def batch_delete_fails_by_entry(aws):
    url = aws.queue()
    for body in "ab":
        aws.send(url, body)
    messages = aws.receive(url, 10)
    entries = [{"Id": f"m{n}", "ReceiptHandle": handles(m)} for n, m in enumerate(messages)]
    entries.insert(1, {"Id": "bad", "ReceiptHandle": "garbage"})
    response = aws.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    fault = response["Failed"][0]["SenderFault"]
    return {**batch_codes(response), "sender fault": fault, "left": sum(aws.counts(url))}


@check
def batch_change_fails_by_entry(aws):
    url = aws.queue()
    aws.send(url)
    [message] = aws.receive(url)
    response = aws.sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "good", "ReceiptHandle": handles(message), "VisibilityTimeout": 60},
            {"Id": "bad", "ReceiptHandle": "garbage", "VisibilityTimeout": 60},
        ],
    )
    return batch_codes(response)


@check
def batches_are_rejected_as_a_whole(aws):
    url = aws.queue()
    delete = aws.sqs.delete_message_batch
    entry = lambda id: {"Id": id, "ReceiptHandle": f"garbage {id}"}
    return {
        "same ids": error_of(delete, QueueUrl=url, Entries=[entry("a"), {**entry("a"), "ReceiptHandle": "b"}]),
        "eleven": error_of(delete, QueueUrl=url, Entries=[entry(f"m{n}") for n in range(11)]),
        "bad id": error_of(delete, QueueUrl=url, Entries=[entry("a b")]),
        "empty": error_of(delete, QueueUrl=url, Entries=[]),
    }


@check
def send_batch_and_counts(aws):
    url = aws.queue()
    entries = [{"Id": f"m{n}", "MessageBody": f"body {n}"} for n in range(10)]
    response = aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    received = aws.receive(url, 4)
    return {**batch_codes(response), "received": len(received), "counts": aws.counts(url)}


@check
def long_polls_wait_and_end_early(aws):
    url = aws.queue()
    start = time.monotonic()
    nothing = aws.receive(url, wait=1)
    waited = time.monotonic() - start
    aws.send(url)
    aws.receive(url, VisibilityTimeout=1)
    start = time.monotonic()
    [message] = aws.receive(url, wait=20)
    woke = time.monotonic() - start
    return {"nothing": nothing, "waited": waited >= 0.9, "ended early": woke < 10}


@check
def purge_and_unknown_queues(aws):
    url = aws.queue()
    aws.send(url)
    aws.sqs.purge_queue(QueueUrl=url)
    missing = error_of(aws.sqs.receive_message, QueueUrl=url + "-not")
    by_name = error_of(aws.sqs.get_queue_url, QueueName="there-is-none")
    found = aws.sqs.get_queue_url(QueueName=url.rsplit("/", 1)[1])["QueueUrl"] == url
    listed = url in aws.sqs.list_queues(QueueNamePrefix=url.rsplit("/", 1)[1])["QueueUrls"]
    counts = aws.counts(url)
    return {"missing": missing, "name": by_name, "found": found, "listed": listed, "left": counts}


@check
def parameters_out_of_range(aws):
    url = aws.queue()
    receive = aws.sqs.receive_message
    return {
        "max 0": error_of(receive, QueueUrl=url, MaxNumberOfMessages=0),
        "max 11": error_of(receive, QueueUrl=url, MaxNumberOfMessages=11),
        "wait 21": error_of(receive, QueueUrl=url, WaitTimeSeconds=21),
        "visibility": error_of(receive, QueueUrl=url, VisibilityTimeout=43_201),
    }
