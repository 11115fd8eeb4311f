"""Why a movement of coins is refused."""

from http import HTTPStatus

from romantic.errors import NotFound, RomanticError


class InsufficientCoins(RomanticError):
    """The balance cannot cover the amount."""

    status = HTTPStatus.PAYMENT_REQUIRED
    code = "INSUFFICIENT_COINS"
    message = "You do not have enough coins."

    def __init__(self, *, balance: int, required: int) -> None:
        super().__init__(f"You need {required} coins and have {balance}.", balance=balance, required=required)


class AmountMismatch(RomanticError):
    """The amount is not the price on the server's list."""

    code = "AMOUNT_MISMATCH"
    message = "This is not the price."


class ReferenceNotFound(NotFound):
    """The reference is not a charged thing of the user's own."""

    code = "REFERENCE_NOT_FOUND"
    message = "There is nothing of yours under this reference."
