"""What several tasks did counts together or is undone together: ``from tidemill.transactions import transaction``."""

from tidemill.authoring.isolation import CommitMode, IsolationLevel
from tidemill.engine.caching.transaction_blocks import Block as transaction  # noqa: N813 - a class used as the function it is
from tidemill.engine.caching.transaction_blocks import get_transaction
from tidemill.engine.caching.transactions import Transaction, TransactionState

atransaction = transaction
BaseTransaction = AsyncTransaction = Transaction

__all__ = [
    "AsyncTransaction",
    "BaseTransaction",
    "CommitMode",
    "IsolationLevel",
    "Transaction",
    "TransactionState",
    "atransaction",
    "get_transaction",
    "transaction",
]
