"""Answers that come in the place of the right one, and right ones that are spoilt on their way; pure."""

import gzip
import json
from typing import Any

from tests.simulation.bodies import Flow
from tests.simulation.faults import Fault
from tests.simulation.rules import ACCOUNT, Answer, Refusal, json_answer, page_answer


def instead_of(fault: Fault, target: str, request_id: str) -> Answer:
    """The answer that a fault has in the place of the right one. `target`: the path that was asked for."""
    match fault.action:
        case "account":
            status, kind, code = ACCOUNT[fault.account]
            answer = Refusal(status, f"said of the account: {fault.account}", kind=kind, code=code).answer(request_id)
        case "status":
            answer = Refusal(fault.status, "so it shall be", code=fault.code).answer(request_id)
        case "nonsense":
            answer = json_answer({"answer": 42})
        case "redirect":
            answer = Answer(fault.status, [("location", fault.location.replace("{target}", target))], b"", signed=False)
        case _:
            answer = page_answer(fault.status or 502, fault.form)
            if fault.location:
                answer.headers.append(("location", fault.location))
    answer.headers += fault.advice()
    return answer


def spoilt(fault: Fault, operation: str, answer: Answer, flow: Flow) -> None:
    """Changes the answer, and how its body comes, as the fault has it."""
    length, size = answer.length(), len(flow.body)
    match fault.action:
        case "slow":
            flow.bytes_per_s = fault.bytes_per_s if operation != "upload" else 0.0
        case "body_cut":
            flow.cut_after = min(fault.after_bytes, size)
        case "stall":
            flow.stall_after, flow.stall_s = fault.after_bytes, fault.seconds
        case "json_cut":
            flow.body = flow.body[:max(1, size // 2)]
            length = len(flow.body)
        case "body_short":
            flow.body = flow.body[:fault.after_bytes]
            length = len(flow.body) if fault.honest and length is not None else None
        case "body_long":
            flow.body += b"?" * fault.after_bytes
            length = len(flow.body) if fault.honest and length is not None else None
        case "encoded":
            answer.headers.append(("content-encoding", "gzip"))
            if fault.honest:
                flow.body, length = gzip.compress(flow.body, mtime=0), None
        case "wrong_size" if operation == "upload" and answer.status == 200:
            flow.body = _resized(flow.body, fault.after_bytes)
            length = len(flow.body)
    answer.say_length(length)


def _resized(body: bytes, size_bytes: int) -> bytes:
    file: dict[str, Any] = json.loads(body)
    return json.dumps(file | {"size_bytes": size_bytes}).encode()
