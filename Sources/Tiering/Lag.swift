package import Records

extension LaneStatus {
    /// How far the last stored message is behind the stream, seconds; 0 where nothing waits to be read or committed.
    package func lagSeconds(at time: Timestamp) -> Double? {
        guard pending > 0 || fetched > position else { return 0 }
        return positionTime.map { Double(time.micros - $0.micros) / 1_000_000 }
    }
}

extension StreamState {
    /// How long the stream can go unread before it discards, seconds, at the rate of what it holds now.
    ///
    /// Nil where it has no limits or holds too little to tell.
    package func outageSeconds(at time: Timestamp) -> Double? {
        var limits: [Double] = []
        if let maxAgeMicros { limits.append(Double(maxAgeMicros) / 1_000_000) }
        if let maxBytes, let firstTime, bytes > 0 {
            let seconds = Double(time.micros - firstTime.micros) / 1_000_000
            if seconds > 0 { limits.append(Double(maxBytes) / (Double(bytes) / seconds)) }
        }
        return limits.min()
    }
}

extension ArchiveStatus.OfType {
    /// Age of the oldest closed range that is not verified, seconds; 0 where all are.
    package func lagSeconds(at time: Timestamp?) -> Double? {
        guard let time else { return nil }
        return oldestUnverified.map { Double(time.micros - $0.micros) / 1_000_000 } ?? 0
    }
}
