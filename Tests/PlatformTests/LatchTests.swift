import Platform
import Testing

@Suite(.timeLimit(.minutes(1))) struct LatchTests {
    @Test func `everyone who waits goes on once it opens, and who comes later does not wait`() async {
        let latch = Latch()
        await withTaskGroup { group in
            for _ in 0..<100 { group.addTask { await latch.wait() } }
            await Task.yield()
            #expect(!latch.isOpen)
            latch.open()
            latch.open()
        }
        #expect(latch.isOpen)
        await latch.wait()
    }

    @Test func `a cancelled task does not wait`() async {
        let latch = Latch()
        for yields in 0..<20 {
            let task = Task { await latch.wait() }
            for _ in 0..<yields { await Task.yield() }
            task.cancel()
            await task.value
        }
        #expect(!latch.isOpen)
    }
}
