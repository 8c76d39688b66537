// A time from one moment on and before another.

import AccessToken
public import ContactModel

/// A time; `nil` on a side for no end there.
public struct TimeSpan: Hashable, Sendable {
    /// From this moment on.
    public var from: Timestamp?
    /// And before this one.
    public var to: Timestamp?

    /// A time.
    public init(from: Timestamp? = nil, to: Timestamp? = nil) {
        self.from = from
        self.to = to
    }

    /// Whether a moment lies in it.
    public func contains(_ time: Timestamp) -> Bool {
        (from.map { $0 <= time } ?? true) && (to.map { time < $0 } ?? true)
    }

    /// Whether it is of all times.
    var isUnbounded: Bool { from == nil && to == nil }

    /// What lies in both.
    func intersection(_ other: TimeSpan) -> TimeSpan {
        TimeSpan(
            from: [from, other.from].compactMap(\.self).max(), to: [to, other.to].compactMap(\.self).min())
    }
}

extension Caller {
    /// The time that the token may read; the operator has no bounds.
    var readableTime: TimeSpan {
        guard case .client(let access) = self, case .accessLog(let details) = access.details else {
            return TimeSpan()
        }
        return TimeSpan(from: details.from, to: details.to)
    }
}
