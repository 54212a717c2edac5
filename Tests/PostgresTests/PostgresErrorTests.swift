import Platform
import Testing

@testable import Postgres

@Suite struct PostgresErrorTests {
    @Test(arguments: [
        ("08006", Disposition.retry), ("25006", .retry), ("40001", .retry), ("40P01", .retry),
        ("53100", .retry), ("53300", .retry), ("55P03", .retry), ("57014", .retry), ("57P01", .retry),
        ("58030", .retry), ("22P02", .reject), ("22003", .reject), ("23505", .reject), ("23514", .reject),
        ("54000", .reject), ("00000", .halt), ("25P02", .halt), ("25001", .halt), ("28P01", .halt),
        ("3D000", .halt), ("42501", .halt), ("42P01", .halt), ("55000", .halt), ("55006", .halt), ("P0001", .reject),
        ("XX000", .halt), ("", .halt),
    ]) func `the class of the SQLSTATE decides what may be done`(
        _ sqlState: String,
        _ disposition: Disposition
    ) {
        var error = PostgresError(.server, .execute, "any text")
        error.sqlState = sqlState
        #expect(error.disposition == disposition)
    }

    @Test(arguments: [
        (PostgresError.Code.connectionFailed, Disposition.retry), (.connectionLost, .retry),
        (.unknownOutcome, .retry), (.rolledBack, .retry), (.cancelled, .retry), (.zeroByte, .reject),
        (.invalidConnectionString, .halt), (.unsupportedEncoding, .halt), (.protocolViolation, .halt),
        (.misuse, .halt), (.server, .halt),
    ]) func `without an SQLSTATE the kind of failure decides`(
        _ code: PostgresError.Code,
        _ disposition: Disposition
    ) {
        #expect(PostgresError(code, .execute, "any text").disposition == disposition)
    }

    @Test func `the description names the constraint and keeps the row's values to itself`() {
        var error = PostgresError(.server, .copyIn, "duplicate key value violates unique constraint \"k\"")
        error.sqlState = "23505"
        error.constraint = "k"
        error.detail = "Key (id)=(4711) already exists."
        #expect(
            error.description
                == "postgres copy in: server 23505: duplicate key value violates unique constraint \"k\" (constraint k)"
        )
        #expect(error.debugDescription.contains("4711"))
    }

    @Test func `the description leaves out the value that a message of class 22 quotes`() {
        var error = PostgresError(.server, .execute, "invalid input syntax for type numeric: \"sec\"ret\"")
        error.sqlState = "22P02"
        #expect(error.description == "postgres execute: server 22P02: invalid input syntax for type numeric: \"…\"")
        #expect(error.debugDescription.contains("sec\"ret"))
    }

    @Test func `the lines of a libpq message become one`() {
        #expect(PostgresError.oneLine("it broke\n\tThis probably means\n") == "it broke; This probably means")
    }
}
