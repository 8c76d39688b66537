// A clock that tests set: what depends on time is tested at the moment it is about, never by waiting.

public import ContactModel
import Synchronization

/// A clock that stands still until it is moved. Threads may share it.
public final class FixedClock: Sendable {
    private let present: Mutex<Timestamp>

    /// The moment at which fixtures begin: a Monday, ten in the morning in Shanghai.
    public static let beginning = Timestamp(seconds: 1_767_578_400)

    /// A clock that stands at a moment.
    public init(_ moment: Timestamp = FixedClock.beginning) { present = Mutex(moment) }

    /// The moment at which it stands.
    public var now: Timestamp {
        get { present.withLock { $0 } }
        set { present.withLock { $0 = newValue } }
    }

    /// Moves it, back too.
    public func advance(seconds: Int64) { advance(milliseconds: seconds * 1000) }

    /// Moves it, back too.
    public func advance(milliseconds: Int64) {
        present.withLock { $0 = Timestamp(milliseconds: $0.milliseconds + milliseconds) }
    }

    /// The clock as the vault and its stores take it.
    public var reading: @Sendable () -> Timestamp { { self.now } }
}
