// The log's codes in words that the contact understands, in two languages. The contact is spoken to.

/// Words for the codes of one property of an entry or of a record.
struct Vocabulary {
    private let words: [String: [SubjectPage.Language: String]]

    /// - Parameter table: a code, English and Chinese in each line, with ` | ` between them.
    private init(_ table: String) {
        words = table.split(separator: "\n").reduce(into: [:]) { words, line in
            let parts = line.split(separator: " | ").map(String.init)
            guard parts.count == 3 else { return }
            words[parts[0]] = [.english: parts[1], .chinese: parts[2]]
        }
    }

    /// The words for a code; the code itself if there are none.
    func word(_ code: String, in language: SubjectPage.Language) -> String { words[code]?[language] ?? code }

    /// The sentences of the page.
    static let sentences = Vocabulary(
        """
        lead | You are recorded as a stop-collection contact: somebody who may be spoken to in a borrower's place, and who is not a debtor. Your number lies encrypted in a vault, which hands out no more of it than a purpose needs and writes every access and every refusal into a log. These are all entries of that log that are about you. | 您被登记为“停催联系人”：可以代替借款人接受联系的人，而不是债务人。您的号码加密存放在保险库中；保险库每次只交出该目的所需的最少部分，并把每一次访问和每一次拒绝写入日志。本页列出日志中与您有关的全部条目。
        nothing | Nothing is held about you any more. | 我们不再保存您的任何信息。
        unknown | This cannot be told any more: what tied the entries of the log to you was erased with your record. | 已无法得知：日志条目与您的关联已随记录一并删除。
        masked | Number and name are shown masked here, as this page may pass through many hands. They are kept in full, encrypted. | 本页可能经多人之手，因此号码和姓名以掩码显示；完整内容以加密方式保存。
        hold | Whatever that day is, it must be kept for now: its erasure is suspended. | 不论上述日期，目前必须保存：删除已暂停。
        log | The log itself is kept longer. Its entries have no number and no name in them, and once your record is erased they no longer lead to you. | 日志本身保存得更久。日志条目中没有号码和姓名；您的记录删除后，条目不再指向您。
        no_consents | No consent of yours is on record. | 没有登记您的任何同意。
        no_recipients | Nobody has received anything about you. | 没有人收到过您的信息。
        no_accesses | There is no entry that is about you. | 没有与您有关的条目。
        recipients | How much each received, in full or masked, is in the next section. | 各机构收到多少（完整或掩码），见下一节。
        utc | Times are in Universal Time (UTC). | 时间为协调世界时（UTC）。
        china | For Chinese time add 8 hours. | 北京时间请加 8 小时。
        gap | Numbers are missing in this list. Entries about you are not shown here: they may be too old to be kept, or damaged. Ask why. | 本列表缺少序号：有与您有关的条目未在此显示，可能已过保存期或已损坏。请询问原因。
        refuse | You can say no. | 您可以拒绝。
        refuse.how | Tell whoever calls, or whoever gave you this page. It counts from the next request on, also against permissions that were given before. | 请告知来电人或向您提供本页的人。自下一次请求起生效，对此前已发出的许可同样有效。
        withdraw | You can withdraw a consent. | 您可以撤回同意。
        withdraw.how | Each one in section 4, at any time. That too counts from the next request on. | 第 4 节中的每一项同意均可随时撤回，同样自下一次请求起生效。
        ask | You can ask and complain. | 您可以提出请求和投诉。
        ask.how | You can ask to see, correct or erase what is held about you, and you can complain. Ask whoever gave you this page. | 您可以要求查阅、更正或删除所保存的您的信息，也可以投诉。请联系向您提供本页的人。
        staff | Agencies are named, their staff are not. | 只列机构，不列员工。
        staff.how | The log knows who asked. This page says for which agency. | 日志中记有提出请求的人；本页只显示其所属机构。
        complete | You can check that nothing is left out. | 您可以核对是否有遗漏。
        complete.how | The entries about you are numbered 1, 2, 3 and so on. A missing number would be an entry that is not shown. Keep this page, and compare it with a later one. | 与您有关的条目按 1、2、3 依次编号；缺号即表示有条目未显示。请保留本页，以便与以后的报告比对。
        unchanged | You can check that nothing was changed. | 您可以核对是否被改动。
        unchanged.how | Each row has a full proof in the appendix, which anybody with the knowledge can check without asking us. Programs find the same in the report's JSON form; whoever gave you this page can give you that too. | 每一行在附录中都有完整证明，懂技术的人无须询问我们即可核对。报告的 JSON 格式含有同样内容，供程序使用，可向提供本页的人索取。
        experts | For somebody with the knowledge to check them. | 供懂技术的人核对。
        entry | Entry | 条目
        entry.how | is the exact text in the log. What points at you is in it as a digest only (_sd). | 是日志中的原文；指向您的内容仅以摘要（_sd）出现。
        yours | That it is about you | 与您有关的证明
        yours.how | is shown by hashing each part before a ~ with SHA-256: the result, in base64url, stands among the digests of the entry (RFC 9901). | 每个 ~ 之前的部分经 SHA-256 计算后，其 base64url 结果出现在条目的摘要之中（RFC 9901）。
        logged | That it stands in the log | 在日志中的证明
        logged.how | is shown by a C2SP tlog-proof. It leads from the entry to the signed checkpoint (RFC 6962). Compare the log's key with one that you got elsewhere than from us. | 采用 C2SP tlog-proof 格式，由条目推导至已签名的检查点（RFC 6962）。请将日志密钥与从他处取得的密钥比对。
        """)

    /// Kinds of entries that can be about a contact.
    static let kinds = Vocabulary(
        """
        release | Request for your details | 请求使用您的信息
        match | Numbers were compared with the stop list | 比对停止联系名单
        release.outcome | The outcome of a contact was reported | 报告联系结果
        outcome.read | Outcomes were looked at | 查看联系结果
        contact.create | Your record was made | 建立您的记录
        contact.read | Your record was looked at | 查看您的记录
        contact.update | Your record was changed | 更改您的记录
        contact.erase | Your record was erased | 删除您的记录
        consent.give | A consent of yours was recorded | 登记您的同意
        consent.withdraw | The withdrawal of a consent of yours was recorded | 登记您撤回同意
        stop.set | Do not contact: your no was recorded | 登记您的停止联系要求
        stop.clear | The record of your no was lifted | 解除停止联系标记
        suppression | Your number was put on the stop list | 您的号码列入停止联系名单
        authorisation.give | The borrower's authorisation for you was recorded | 登记借款人对您的授权
        authorisation.withdraw | The borrower's authorisation for you was withdrawn | 借款人撤回对您的授权
        reference.record | An offer, request or complaint of yours was recorded | 登记您的提议、请求或投诉
        hold.set | Your record must be kept for now | 您的记录暂须保留
        hold.lift | Your record need no longer be kept | 您的记录不再须暂时保留
        emergency.alert | An emergency request raised an alarm | 紧急请求触发警报
        review.read | Emergency requests were looked at | 查看紧急请求
        review.close | An emergency request was reviewed | 复核紧急请求
        token.issue | A permission to ask for your details was issued | 签发使用您信息的许可
        token.deny | A permission to ask for your details was refused | 拒绝签发使用您信息的许可
        token.revoke | Permissions to ask for your details were revoked | 撤销使用您信息的许可
        token.introspect | A permission to ask for your details was checked | 查验使用您信息的许可
        policy.explain | It was checked whether a request would be allowed | 查验某项请求是否会获准
        approval.request | The approval of a second person was asked for | 申请第二人批准
        approval.read | Approvals were looked at | 查看批准情况
        approval.give | A second person approved | 第二人批准
        log.read | The log was searched for you | 在日志中查询您的记录
        log.prove | A proof from the log was asked for | 索取日志证明
        log.export | A report or an export about you was made | 生成关于您的报告或导出
        """)

    /// How it ended.
    static let outcomes = Vocabulary(
        """
        permit | allowed | 已允许
        deny | refused | 已拒绝
        error | failed | 失败
        redelivered | same answer sent again | 再次发送同一答复
        """)

    /// Why you were to be reached.
    static let purposes = Vocabulary(
        """
        contact.verify | check your number and whether you are willing | 核验您的号码与意愿
        contact.notice | give you notice and ask for your consent | 向您告知并征求同意
        relay.message | ask you to pass on a message | 请您转告消息
        locate.debtor | ask you for the borrower's current details | 向您询问借款人的联系方式
        negotiate.proxy | agree terms with you as the borrower's proxy | 与作为受托人的您协商
        repay.voluntary | repayment that you offered | 您提出的自愿代偿
        callback.requested | return a call that you asked for | 应您的要求回拨
        estate.outreach | reach the heirs or the guardian | 联系继承人或监护人
        complaint.response | answer your complaint | 回复您的投诉
        rights.fulfil | answer a request about your own data | 答复您关于个人信息的请求
        safety.emergency | threat to somebody's life | 紧急人身安全
        suppress.match | see whether a number is on the stop list | 比对停止联系名单
        """)

    /// What the recipient does with the number.
    static let actions = Vocabulary(
        """
        dial | by phone | 拨打电话
        send_template | by a text message | 发送短信
        display | on a screen | 屏幕显示
        match | by comparing | 比对
        """)

    /// How much left.
    static let forms = Vocabulary(
        """
        reveal | in full | 完整
        seal | in full, encrypted so that only one system of the agency can open it | 完整，但已加密（仅机构的指定系统可解开）
        mask | masked (a few characters only) | 掩码（仅少数字符）
        match | only whether it is the same | 仅告知是否相同
        """)

    /// What is known about a contact.
    static let fields = Vocabulary(
        """
        phone | phone number | 电话号码
        name | name | 姓名
        relation | relation to the borrower | 与借款人的关系
        """)

    /// How the record came about.
    static let sources = Vocabulary(
        """
        origination | The borrower named you when applying for the loan. | 借款人申请贷款时填写了您。
        servicing | The borrower named you after the loan was made. | 借款人在贷款之后填写了您。
        contact | You came forward yourself. | 您本人主动联系。
        """)

    /// State of the record.
    static let states = Vocabulary(
        """
        active | in use | 使用中
        restricted | kept, but its use is restricted at your request | 保留，但应您的要求限制使用
        suspended | suspended: the number was reported wrong or invalid | 已暂停：号码被报告为错误或无效
        erased | erased | 已删除
        """)

    /// Whether the number reaches the contact.
    static let verifications = Vocabulary(
        """
        unverified | not checked | 未核验
        verified | shown to reach you | 已核验可联系到您
        failed | a check failed | 核验未通过
        """)

    /// How the contact may be reached.
    static let channels = Vocabulary(
        """
        voice | calls | 电话
        sms | text messages | 短信
        """)

    /// Languages.
    static let languages = Vocabulary(
        """
        zh | Chinese | 中文
        zh-CN | Chinese | 中文
        zh-Hans | Chinese | 中文
        zh-Hant | Chinese (traditional) | 中文（繁体）
        en | English | 英语
        """)

    /// Why something was refused or failed.
    static let reasons = Vocabulary(
        """
        purpose_unknown | there is no such purpose | 没有此目的
        not_configured | this purpose is not set up | 此目的未启用
        action_not_allowed | this use of the number is not allowed for the purpose | 此目的不允许这样使用号码
        stage_not_allowed | not allowed at this stage of the case | 案件的此阶段不允许
        field_not_allowed | these details are not given out for the purpose | 此目的不提供这些信息
        form_not_allowed | more was asked for than the purpose allows | 请求的内容超出此目的的范围
        role_not_allowed | who asked has not this role | 请求方没有此角色
        uses_not_allowed | too many uses were asked for | 请求的使用次数过多
        purpose_not_registered | who asked is not registered for this purpose | 请求方未登记此目的
        portfolio_not_registered | who asked is not registered for these loans | 请求方未登记此类贷款
        contact_unknown | there was no such record | 没有此记录
        contact_erased | your record was erased | 您的记录已删除
        contact_restricted | the use of your record is restricted | 您的记录已限制使用
        contact_suspended | your record is suspended | 您的记录已暂停使用
        stop_flag | you had said no | 您已要求停止联系
        consent_missing | you have not consented | 您未同意
        consent_expired | your consent had ended | 您的同意已到期
        consent_withdrawn | you had withdrawn your consent | 您已撤回同意
        precondition_missing | no reason was given why the borrower cannot be reached | 未说明为何联系不到借款人
        precondition_not_accepted | the given reason does not count for the purpose | 所述理由不适用于此目的
        consent_notice_outdated | your consent was to an older notice | 您同意的是旧版告知
        consent_recipient | your consent is not for this agency | 您的同意不适用于此机构
        authorisation_missing | the borrower has not authorised you | 借款人未授权您
        authorisation_expired | the borrower's authorisation had ended | 借款人的授权已到期
        reference_missing | what it would have answered was not named | 未指明所回应的事项
        reference_unknown | what it would have answered is not on record | 所回应的事项没有记录
        reference_expired | what it would have answered is too old | 所回应的事项已过期
        verification_missing | your number has not been checked | 您的号码未经核验
        verification_expired | your number was checked too long ago | 您的号码核验已过期
        approval_missing | a second person had not approved | 未经第二人批准
        approval_void | the approval no longer held | 批准已失效
        approval_by_requester | nobody may approve their own request | 不得批准自己的请求
        encryption_key_missing | who asked has no key to lock the number for | 请求方没有用于加密号码的密钥
        time_zone_unknown | your local time is not known | 无法确定您的当地时间
        channel_not_accepted | not a way in which you may be reached | 不是可以联系您的方式
        outside_hours | outside the allowed hours | 不在允许的时段
        holiday | a holiday | 节假日
        holidays_unknown | it is not known whether the day is a holiday | 无法确定当天是否节假日
        conversation_pause | too soon after the last conversation | 距上次通话时间过短
        cap_reached | the number of contacts allowed was used up | 已达允许的联系次数
        ceiling_reached | who asked had asked about too many people | 请求方涉及的人数过多
        actor_throttled | who asked is slowed down after poor results | 请求人因结果不佳被限制
        rate_limited | who asked had asked too often | 请求方请求过于频繁
        batch_too_large | too many were asked for at once | 一次请求的数量过多
        proof_replayed | the request was a copy of an earlier one | 重复使用先前的请求
        assertion_replayed | the sign-in was a copy of an earlier one | 重复使用先前的身份凭据
        insufficient_scope | the permission did not cover it | 许可不包含此项
        token_spent | the permission was used up | 许可已用完
        token_life_too_long | the permission was for too long a time | 许可的有效期过长
        token_revoked | the permission was revoked | 许可已撤销
        token_expired | the permission had ended | 许可已到期
        client_suspended | who asked is suspended | 请求方已被暂停
        client_unknown | who asked is not registered | 请求方未登记
        key_not_registered | who asked used a key that is not registered | 请求方的密钥未登记
        agency_not_entrusted | the agency is not entrusted with this | 该机构未受委托
        request_malformed | the request was not in order | 请求格式有误
        intake_refused | what was handed in is not accepted | 提交的内容不被接受
        idempotency_conflict | the same request came with other contents | 同一请求的内容前后不同
        generation_mismatch | the record had changed meanwhile | 记录在此期间已更改
        outcome_conflict | another outcome was already reported | 已报告过另一结果
        not_found | it was not there | 没有找到
        legal_hold | the record must be kept for now | 记录暂须保留
        report_too_long | there were too many entries for one report | 记录过多，无法生成一份报告
        export_of_nobody | no person was named | 未指明对象
        question_needs_whole_log | who asked may not read enough of the log | 请求方无权读取足够的日志
        record_unreadable | the record could not be read | 无法读取记录
        store_corrupt | the stored data are damaged | 存储的数据已损坏
        cryptography_unavailable | encryption was not available | 加密功能不可用
        internal | a fault of the system | 系统故障
        """)
}

extension String {
    /// An RFC 3339 time in UTC as people write it, without the letters; anything else as it is.
    var readableTime: String {
        let letters = Array(utf8)
        guard letters.count == 20, letters[10] == UInt8(ascii: "T"), letters[19] == UInt8(ascii: "Z") else {
            return self
        }
        return replacing("T", with: " ").replacing("Z", with: "")
    }
}
