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


class PackageNotFound(NotFound):
    """The package does not exist, or is not sold any more."""

    code = "PACKAGE_NOT_FOUND"
    message = "There is no such package."


class PurchaseNotFound(NotFound):
    """There is no such purchase, or it is somebody else's."""

    code = "PURCHASE_NOT_FOUND"
    message = "There is no such purchase."


class PurchaseNotRefundable(RomanticError):
    """Nothing was paid, or all of it went back already."""

    status = HTTPStatus.CONFLICT
    code = "PURCHASE_NOT_REFUNDABLE"
    message = "There is nothing to refund of this purchase."


class PaymentMethodUnavailable(RomanticError):
    """A way to pay that is known and not built."""

    code = "PAYMENT_METHOD_UNAVAILABLE"
    message = "This way to pay is not available."


class PaymentProviderUnavailable(RomanticError):
    """The payment provider does not answer; the same request may be sent again and pays once."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "PAYMENT_PROVIDER_UNAVAILABLE"
    message = "Payments are not available right now. Try again shortly."
    retryable = True
