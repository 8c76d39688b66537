// The two policy files that come with the vault.

/// Texts of policy files, to be written to a data directory and changed there.
public enum StarterPolicy {
    /// The whole catalogue of twelve purposes, with hours, caps and all they need, under the ceilings of China. Those of
    /// four other jurisdictions are there to be chosen.
    public static let starterCatalogue = """
        # Starter catalogue: why a stop-collection contact may be reached. What is not here is refused.
        #
        # hours   any, or a window of the contact's local time, opening minute included, closing minute not
        # caps    none, or a list; days are calendar days at the contact, and releases count per contact number
        #         unless `per` says case or reference; without days or hours they count in all
        # actions action: the most that may leave for it (match < mask < seal < reveal). A client of kind desk gets at
        #         most a mask; an ivr or ai_agent at most a sealed number
        # needs   consent: the contact's own; precondition: why the borrower cannot be reached
        # frequency_ceiling  exempt for purposes by which the contact is answered or has asked to act: the ceiling of the
        #         jurisdiction counts approaches, and these are none
        #
        # Numbers here are data: their sources are in docs/policy.md. Change them here, apply the file, and every entry of
        # the access log says which version decided.
        policy: 1
        name: starter-catalogue

        # Far below the thresholds of criminal liability for leaks by insiders. Days are those of day_zone.
        limits:
          day_zone: Asia/Shanghai
          contacts_per_day: {actor: 60, client: 500, agency: 1000}
          requests_per_minute: 1200
          throttle: {outcomes: 3, hours: 24}
          outcome_hours: 12

        # Which ceilings bind: one name, or {default: cn, portfolios: {pf_us: us-regf}}.
        jurisdiction: cn

        jurisdictions:
          cn:
            title: China / 中国 (GB/T 45251-2025; China Banking Association 2026)
            hours: 08:00-22:00
            caps: [{releases: 1, days: 1}, {releases: 2, days: 7}, {releases: 3, days: 30}]
            holidays: none
          us-regf:
            title: United States, Regulation F (12 CFR 1006)
            hours: 08:00-21:00 inclusive
            caps: [{releases: 7, days: 7, per: number_and_case}]
            purpose_caps: {locate.debtor: [{releases: 1}]}
            pause_days: 7
            holidays: none
          in-rbi:
            title: India, Reserve Bank
            hours: 08:00-19:00
            caps: none
            holidays: none
          au-rg96:
            title: Australia, ASIC RG 96
            hours: {mon-fri: 07:30-21:00, sat-sun: 09:00-21:00}
            caps: [{releases: 3, days: 7, per: case}, {releases: 10, days: 31, per: case}]
            holidays: [au-national]
          uk-conc7:
            title: United Kingdom, CONC 7
            hours: any
            caps: none
            holidays: none

        purposes:

          contact.verify:
            title: verify number and willingness at enrolment / 核验号码与意愿
            stages: [pre_due]
            actions: {send_template: reveal, dial: reveal}
            fields: [phone]
            hours: 09:00-20:00
            caps: [{releases: 1, days: 1}, {releases: 3}]
            token: {seconds: 300, uses: 1}
            roles: [collection]
            frequency_ceiling: exempt
            needs: {consent: not_refused}

          contact.notice:
            title: notice, consent link, change of terms / 告知与同意通知
            stages: [pre_due, overdue_reminder, call_collection, visit, legal]
            actions: {send_template: reveal}
            fields: [phone]
            hours: 09:00-20:00
            caps: [{releases: 1, days: 7}, {releases: 6, days: 365}]
            token: {seconds: 300, uses: 1}
            roles: [collection]
            frequency_ceiling: exempt

          relay.message:
            title: ask the contact to pass on a message / 请联系人转告
            stages: [call_collection]
            actions: {dial: reveal, send_template: reveal, display: mask}
            fields: [phone, name]
            hours: 09:00-20:00
            caps: [{releases: 1, days: 1}, {releases: 2, days: 7}, {releases: 3, days: 30}]
            token: {seconds: 300, uses: 1}
            roles: [collection]
            needs:
              consent: required
              precondition: [number_invalid, three_failed_dials_next_day, unreachable_three_days, agreed_scenario]

          locate.debtor:
            title: ask for the borrower's current details / 询问借款人联系方式
            stages: [call_collection, legal]
            actions: {dial: seal}
            fields: [phone]
            hours: 09:00-20:00
            caps: [{releases: 1, per: case}]
            token: {seconds: 300, uses: 1}
            roles: [collection]
            needs:
              consent: required
              precondition: [number_invalid, three_failed_dials_next_day, unreachable_three_days, agreed_scenario]

          negotiate.proxy:
            title: agree terms with an authorised proxy / 与受托人协商
            stages: [call_collection, legal]
            actions: {dial: reveal, send_template: reveal}
            fields: [phone, name]
            hours: 09:00-20:00
            caps: [{releases: 1, days: 1}, {releases: 3, days: 7}, {releases: 10, days: 30}]
            token: {seconds: 300, uses: 1}
            roles: [collection]
            frequency_ceiling: exempt
            needs: {consent: required, authorisation: true}

          repay.voluntary:
            title: repayment facts for a contact who offered / 自愿代偿
            stages: [call_collection]
            actions: {send_template: reveal, dial: reveal}
            fields: [phone]
            hours: 09:00-20:00
            caps: [{releases: 1, days: 1}, {releases: 3, per: reference}]
            token: {seconds: 300, uses: 1}
            roles: [collection]
            frequency_ceiling: exempt
            needs: {reference: {kind: offer, days: 7}}

          callback.requested:
            title: return a call the contact asked for / 应要求回拨
            stages: [pre_due, overdue_reminder, call_collection, visit, legal]
            actions: {dial: reveal}
            fields: [phone]
            hours: 08:00-22:00
            caps: [{releases: 2, per: reference}]
            token: {seconds: 300, uses: 1}
            roles: [collection]
            frequency_ceiling: exempt
            stop_flag: newer_reference
            needs: {reference: {kind: request, days: 7}}

          estate.outreach:
            title: reach heirs or guardian / 联系利害关系人
            stages: [call_collection, legal]
            actions: {dial: seal}
            fields: [phone, name, relation]
            hours: 10:00-18:00
            caps: [{releases: 1, days: 7}, {releases: 2}]
            token: {seconds: 300, uses: 1}
            roles: [collection]
            needs: {precondition: [deceased, incapacitated], second_person: true}

          complaint.response:
            title: answer the contact's complaint / 投诉处理回复
            stages: [pre_due, overdue_reminder, call_collection, visit, legal, closed]
            actions: {dial: reveal, send_template: reveal}
            fields: [phone, name]
            hours: 09:00-20:00
            caps: [{releases: 2, days: 1}, {releases: 5, per: reference}]
            token: {seconds: 300, uses: 1}
            roles: [complaints]
            frequency_ceiling: exempt
            stop_flag: exempt
            needs: {reference: {kind: complaint}}

          rights.fulfil:
            title: access, correction, erasure, withdrawal / 个人信息权利响应
            stages: [pre_due, overdue_reminder, call_collection, visit, legal, closed]
            actions: {send_template: reveal}
            fields: [phone]
            hours: 09:00-20:00
            caps: [{releases: 3, per: reference}]
            token: {seconds: 300, uses: 2}
            roles: [privacy]
            frequency_ceiling: exempt
            stop_flag: exempt
            needs: {reference: {kind: request}}

          safety.emergency:
            title: threat to life / 紧急人身安全
            stages: [pre_due, overdue_reminder, call_collection, visit, legal, closed]
            actions: {dial: reveal}
            fields: [phone, name, relation]
            hours: any
            caps: [{releases: 3, hours: 24, per: case}]
            token: {seconds: 120, uses: 1}
            roles: [collection]
            frequency_ceiling: exempt
            needs: {break_glass: {review_hours: 24}}

          suppress.match:
            title: is this number on the stop list? / 停止联系名单比对
            stages: [pre_due, overdue_reminder, call_collection, visit, legal, closed]
            actions: {match: match}
            fields: []
            hours: any
            caps: none
            token: {seconds: 3600, uses: 1000}
            roles: [collection]
            frequency_ceiling: exempt
            stop_flag: exempt
            needs: {batch: 1000, requests_per_minute: 60}

        """

    /// A small policy for trying the vault out on invented people. It has neither hours nor caps, so it must not be used
    /// for anyone who exists.
    public static let demonstrationPolicy = """
        # For trying things out on invented people. No hours, no caps: do not use it for anyone who exists.
        policy: 1
        name: demonstration
        limits: none
        jurisdiction: none
        purposes:

          contact.verify:
            title: verify number and willingness at enrolment / 核验号码与意愿
            stages: [pre_due]
            actions: {send_template: reveal, dial: reveal}
            fields: [phone]
            hours: any
            caps: none
            token: {seconds: 300, uses: 1}
            roles: [collection]
            needs: {consent: not_refused}

          contact.notice:
            title: notice, consent link, change of terms / 告知与同意通知
            stages: [pre_due, overdue_reminder, call_collection, visit, legal]
            actions: {send_template: reveal}
            fields: [phone]
            hours: any
            caps: none
            token: {seconds: 300, uses: 1}
            roles: [collection]

          relay.message:
            title: ask the contact to pass on a message / 请联系人转告
            stages: [call_collection]
            actions: {dial: reveal, send_template: reveal, display: mask}
            fields: [phone, name]
            hours: any
            caps: none
            token: {seconds: 300, uses: 1}
            roles: [collection]
            needs:
              consent: required
              precondition: [number_invalid, three_failed_dials_next_day, unreachable_three_days, agreed_scenario]

        """

    /// Holiday calendars that the starter catalogue names, by name. A day that no calendar covers is treated as one on
    /// which nobody is reached, so they must be carried on year by year.
    public static let calendars = [
        "au-national": """
        # National public holidays of Australia, on which RG 96 wants no contact. Add the coming year before it begins.
        calendar: 1
        name: au-national
        covers: {from: 2026-01-01, to: 2027-12-31}
        holidays:
          2026-01-01: New Year's Day
          2026-01-26: Australia Day
          2026-04-03: Good Friday
          2026-04-06: Easter Monday
          2026-04-25: Anzac Day
          2026-12-25: Christmas Day
          2026-12-26: Boxing Day
          2026-12-28: Boxing Day, observed
          2027-01-01: New Year's Day
          2027-01-26: Australia Day
          2027-03-26: Good Friday
          2027-03-29: Easter Monday
          2027-04-25: Anzac Day
          2027-12-25: Christmas Day
          2027-12-26: Boxing Day
          2027-12-27: Christmas Day, observed
          2027-12-28: Boxing Day, observed

        """
    ]
}
