// Why a call ended, as one person would tell it to the other.

const REASONS = {
  caller_cancelled: () => "The call was cancelled before it was answered.",
  timeout: (other) => `${other} did not answer.`,
  rejected: (other) => `${other} declined.`,
  not_connected: () => "The two browsers never connected.",
  ice_failed: () => "The two browsers found no path to each other.",
  disconnected: () => "The connection was lost and did not come back.",
  unstable: () => "The connection broke too often.",
  insufficient_coins: () => "The coins were used up.",
  max_duration: () => "The longest duration of a call was reached.",
  blocked: () => "One of you blocked the other.",
  banned: () => "A moderator ended the call.",
  account_deleted: () => "An account was deleted.",
  admin: () => "A moderator ended the call.",
};

/** `other` is the other person's first name, `myId` who reads it. */
export function whyEnded(over, { other, myId }) {
  if (over.endReason === "user_hangup") return over.endedBy === myId ? "You hung up." : `${other} hung up.`;
  return REASONS[over.endReason]?.(other) ?? `The call ended (${over.endReason}).`;
}

/** What became of the money, where it needs saying. */
export function whatItCost(over) {
  if (!over.refunded) return "";
  const tooShort = over.status === "ended" && over.endReason === "user_hangup" && over.duration < 10;
  return tooShort ? " Calls under 10 seconds are refunded." : " Every coin came back.";
}

export const CANCELLED = {
  caller_cancelled: (other) => `${other} hung up before you answered.`,
  answered_elsewhere: () => "You answered in another tab.",
  declined_elsewhere: () => "You declined in another tab.",
  timeout: (other) => `You missed a call from ${other}.`,
};
