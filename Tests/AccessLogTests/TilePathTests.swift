// Paths of tiles, as C2SP tlog-tiles writes them.

import Testing

@testable import AccessLog

@Suite("Paths of tiles")
struct TilePathTests {
    @Test(
        "the examples of the specification and the ends of the groups",
        arguments: [
            ("0/000", 0, UInt64(0), 256), ("0/x001/x234/067", 0, 1_234_067, 256),
            ("0/x001/x234/067.p/1", 0, 1_234_067, 1), ("1/999", 1, 999, 256), ("1/x001/000", 1, 1000, 256),
            ("6/255.p/255", 6, 255, 255), ("2/x999/999", 2, 999_999, 256),
            ("2/x001/x000/000", 2, 1_000_000, 256),
        ])
    func paths(text: String, level: UInt8, index: UInt64, width: Int) throws {
        let path = try #require(TilePath(text))
        #expect(path == TilePath(tile: TileID(level: level, index: index), width: width))
        #expect(path.text == text)
    }

    @Test("every other spelling is refused")
    func others() {
        for text in [
            "", "0", "0/", "/000", "7/000", "255/000", "-1/000", "+0/000", "00/000", "0/0", "0/0000",
            "0/x000",
            "0/x000/000", "0/001/000", "0/x01/000", "0/x001/x000", "0/000.p", "0/000.p/0", "0/000.p/256",
            "0/000.p/01", "0/000.p/+1", "0/000/p/1", "0/000.p/1/2", "0/00a", "0/X001/000", "0/000/", " 0/000",
            "0/x999/x999/x999/x999/x999/x999/999", "entries/000", "0/x073/x000/x000/x000/x000/x000/000",
            "0/x073/x000/x000/x000/x000/000",
            "0/x036/x028/x797/x018/x963/968", "0/../000", "0/٠٠٠",
        ] {
            #expect(TilePath(text) == nil, "\(text)")
        }
    }
}
