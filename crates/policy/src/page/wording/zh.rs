//! Simplified Chinese.

use super::{Causes, Labels, Told, Words};

pub(super) const WORDS: Words = Words {
    tag: "zh-Hans",
    right_to_left: false,
    detected: Told {
        title: "已阻止威胁", text: "此内容经扫描被认定为危险内容，因此未予传送。"
    },
    macros: Told {
        title: "已阻止含宏的文档",
        text: "此文档含有宏，即打开文档时会运行的小程序。此处不允许使用宏，因此未予传送。",
    },
    phishing: Told {
        title: "已阻止欺诈内容",
        text: "此内容冒充他物，通常是为了骗取密码或钱财，因此未予传送。",
    },
    not_scanned: Told {
        title: "已阻止：无法检查", text: "无法对此内容进行完整的威胁检查，因此未予传送。"
    },
    failed: Told {
        title: "已阻止：检查未完成",
        text: "威胁检查未能完成，因此此内容未予传送。稍后重试可能会成功。",
    },
    refused: Told {
        title: "不允许访问", text: "此网络的规则不允许此内容，因此未予传送。"
    },
    causes: Causes {
        size: "它的大小超出了此处的检查范围。",
        skipped: "有规则将它排除在检查之外。",
        excluded: "此类或来自此处的内容在这里不作检查。",
        unsupported: "它的格式无法打开以供检查。",
        encrypted: "它已加密，没有密钥就无法查看其内容。",
        partial_content: "它只是某个更大内容的一部分，无法单独判断。",
        depth: "它包含多层嵌套的压缩包，层数超出了检查范围。",
        count: "它包含的文件数量超出了检查范围。",
        ratio: "它解压后的数据量远远超出合理范围。",
        malformed: "它已损坏，或其构造会使不同程序对其内容得出不同的解读。",
        time: "检查所用的时间超出了限制。",
        temp_space: "扫描程序没有足够的空间存放临时文件。",
        engine_error: "扫描程序报告了错误。",
        crash: "扫描程序在检查此内容时中止了。",
        memory: "扫描程序的内存不足。",
        no_scanner: "无法连接到任何扫描程序。",
        reputation: "无法查询该地址的信誉。",
    },
    labels: Labels {
        url: "地址",
        threat: "发现",
        reason: "原因",
        user: "用户",
        client: "客户端",
        service: "服务",
        time: "时间",
        transaction: "编号",
    },
    mistake: ["如果您认为这是误判，请联系管理员并提供上面的编号。", "如果您认为这是误判，请联系管理员。"],
};
