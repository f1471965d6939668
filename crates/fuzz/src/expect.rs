//! What a server should answer: a conversation told in advance, without sockets, cuts and tasks.

use crate::strict::{Answer, Answers};
use icapstan_icap_proto::{DecodeError, Decoder, Event, Limits, Method, RequestHead, Rights};

/// What must come next.
pub(crate) enum Expected {
    /// An answer.
    Answer {
        status: u16,
        /// The service tag.
        tag: String,
        /// Nothing follows it on this connection.
        closes: bool,
        check: Check,
    },
    /// The connection ends in the midst of an answer, of which some may be there.
    Cut,
    /// A word for those who speak another protocol. It may be lost, as nobody waits until it is read.
    Stranger,
}

/// What holds for an answer besides.
pub(crate) type Check = Box<dyn Fn(&Answer)>;

/// Why a request was not read to its end.
pub(crate) enum Stop {
    Wrong(DecodeError),
    /// There are no more bytes.
    Gone,
    /// The service gave up.
    Aborted,
}

/// A piece of a body.
pub(crate) enum Piece<'a> {
    Data(&'a [u8]),
    PreviewEnd,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Coming,
    Undecided,
    Ended,
}

/// One request and its answer as a service sees them.
pub(crate) struct Talk<'a> {
    decoder: Decoder,
    wire: &'a [u8],
    at: usize,
    expected: Vec<Expected>,
    body: Body,
    continued: bool,
    close: bool,
    answering: bool,
}

/// The services of a server that is told in advance.
pub(crate) trait Told {
    /// The methods of a service that is there.
    fn methods(&self, service: &str) -> Option<&[Method]>;

    /// The tag of a service, or of answers for none.
    fn tag(&self, service: Option<&str>) -> String;

    /// What a service does with one request.
    fn serve(&self, head: &RequestHead, talk: &mut Talk<'_>) -> Result<(), Stop>;
}

/// All answers to `wire`.
pub(crate) fn expected(wire: &[u8], told: &impl Told) -> Vec<Expected> {
    let mut talk = Talk {
        decoder: Decoder::new(Limits::default()),
        wire,
        at: 0,
        expected: Vec::new(),
        body: Body::Ended,
        continued: false,
        close: false,
        answering: false,
    };
    while talk.request(told) {}
    talk.expected
}

/// Panics unless `answers` are those that were expected.
pub(crate) fn compare(expected: Vec<Expected>, answers: &Answers) {
    let mut came = answers.whole.iter();
    let mut may_be_cut = false;
    for (index, expected) in expected.into_iter().enumerate() {
        assert!(!may_be_cut, "nothing follows an answer that was cut");
        match expected {
            Expected::Answer { status, tag, closes, check } => {
                let Some(answer) = came.next() else {
                    panic!("answer {index}, {status}, is missing: {answers:?}")
                };
                let is_error = |status| matches!(status, 400 | 414 | 505);
                // Which fault of a head is seen first may depend on the cuts.
                let right = answer.status == status || is_error(answer.status) && is_error(status);
                assert!(right, "answer {index} is {}, not {status}", answer.status);
                if status != 100 {
                    assert_eq!(answer.get("ISTag"), Some(format!("\"{tag}\"").as_str()));
                    assert_eq!(answer.closes(), closes, "answer {index}, {status}");
                }
                check(answer);
            }
            Expected::Cut => may_be_cut = true,
            Expected::Stranger => {
                if let Some(answer) = came.next() {
                    assert!(matches!(answer.status, 400 | 414 | 505) && answer.closes());
                }
                may_be_cut = true;
            }
        }
    }
    assert!(came.next().is_none(), "more answers than requests: {answers:?}");
    assert!(may_be_cut || answers.cut.is_none(), "an answer breaks off: {answers:?}");
}

/// For answers that have no parts.
pub(crate) fn bare(answer: &Answer) {
    assert_eq!((&answer.req_hdr, &answer.res_hdr, &answer.body), (&None, &None, &None));
}

/// For answers that need no further look.
pub(crate) fn any(_: &Answer) {}

// === impl Talk ===

impl Talk<'_> {
    /// One request. `false`: it was the last one.
    fn request(&mut self, told: &impl Told) -> bool {
        let head = match self.head() {
            Ok(Some(head)) => head,
            Ok(None) => return false,
            Err(error) => {
                self.refuse_wrong(error, told);
                return false;
            }
        };
        let service = head.uri().service().to_owned();
        let methods = told.methods(&service);
        let tag = told.tag(methods.map(|_| service.as_str()));
        self.body = if head.has_body() { Body::Coming } else { Body::Ended };
        (self.continued, self.answering, self.close) = (false, false, head.connection_has("close"));
        let refusal = match (head.method(), methods) {
            (Method::Options, _) => return self.options(methods.is_some(), told, tag),
            (Method::Other, _) => Some(501),
            (_, None) => Some(404),
            (method, Some(methods)) => (!methods.contains(&method)).then_some(405),
        };
        if let Some(status) = refusal {
            self.answer(status, tag, Box::new(bare));
            return !self.close;
        }
        let answers = self.expected.len();
        let served = told.serve(&head, self);
        let is_answered = self.expected[answers..]
            .iter()
            .any(|expected| matches!(expected, Expected::Answer { status, .. } if *status != 100));
        match served {
            Ok(()) if is_answered => {
                self.settle();
                !self.close
            }
            Ok(()) | Err(Stop::Aborted) if !self.answering => {
                self.body = Body::Coming;
                self.answer(500, tag, Box::new(bare));
                false
            }
            Err(Stop::Wrong(error)) if !self.answering => {
                self.refuse_wrong(error, told);
                false
            }
            _ => {
                if self.answering {
                    self.expected.push(Expected::Cut);
                }
                false
            }
        }
    }

    fn head(&mut self) -> Result<Option<Box<RequestHead>>, DecodeError> {
        loop {
            let step = self.decoder.step(&self.wire[self.at..])?;
            self.at += step.consumed;
            match step.event {
                Some(Event::Head(head)) => return Ok(Some(head)),
                Some(Event::End) => {}
                None => return Ok(None),
                Some(other) => panic!("{other:?} instead of a head"),
            }
        }
    }

    fn options(&mut self, is_there: bool, told: &impl Told, tag: String) -> bool {
        loop {
            match self.next() {
                Ok(Piece::Data(_)) => {}
                Ok(_) => break,
                Err(Stop::Wrong(error)) => {
                    self.refuse_wrong(error, told);
                    return false;
                }
                Err(_) => return false,
            }
        }
        self.settle();
        let check = move |answer: &Answer| {
            bare(answer);
            assert_eq!(answer.get("Methods").is_some(), is_there);
        };
        self.answer(if is_there { 200 } else { 404 }, tag, Box::new(check));
        !self.close
    }

    fn refuse_wrong(&mut self, error: DecodeError, told: &impl Told) {
        let (status, tag) = (error.status().0, told.tag(None));
        self.expected.push(match error {
            DecodeError::NotIcap => Expected::Stranger,
            _ => Expected::Answer { status, tag, closes: true, check: Box::new(bare) },
        });
    }

    fn settle(&mut self) {
        if self.body == Body::Undecided {
            self.decoder.settle();
            self.body = Body::Ended;
        }
    }

    /// The next piece of the body; after its end, the end.
    pub(crate) fn next(&mut self) -> Result<Piece<'_>, Stop> {
        match self.body {
            Body::Coming => {}
            Body::Undecided => return Ok(Piece::PreviewEnd),
            Body::Ended => return Ok(Piece::End),
        }
        let step = self.decoder.step(&self.wire[self.at..]).map_err(Stop::Wrong)?;
        self.at += step.consumed;
        match step.event.ok_or(Stop::Gone)? {
            Event::Data(data) => Ok(Piece::Data(data)),
            Event::PreviewEnd => {
                self.body = Body::Undecided;
                Ok(Piece::PreviewEnd)
            }
            Event::End => {
                self.body = Body::Ended;
                Ok(Piece::End)
            }
            Event::Head(_) => panic!("a head in the midst of a body"),
        }
    }

    /// Whether the client waits for 100 or for the answer.
    pub(crate) fn is_undecided(&self) -> bool {
        self.body == Body::Undecided
    }

    /// Whether the whole body is here.
    pub(crate) fn body_ended(&self) -> bool {
        self.body == Body::Ended
    }

    /// Whether bytes of the answer may be out.
    pub(crate) fn begin(&mut self) {
        self.answering = true;
    }

    /// Which answers the client can take now.
    pub(crate) fn rights(&self, head: &RequestHead) -> Rights {
        Rights::of(head, self.continued)
    }

    /// Sends 100.
    pub(crate) fn proceed(&mut self) {
        self.decoder.proceed();
        self.body = Body::Coming;
        self.continued = true;
        self.expected.push(Expected::Answer {
            status: 100,
            tag: String::new(),
            closes: false,
            check: Box::new(any),
        });
    }

    /// Answers. While the client is still sending, the connection ends with that.
    pub(crate) fn answer(&mut self, status: u16, tag: String, check: Check) {
        self.close |= self.body == Body::Coming;
        self.expected.push(Expected::Answer { status, tag, closes: self.close, check });
    }

    /// Ends an answer that was begun while the client was still sending.
    pub(crate) fn finish(&mut self, status: u16, tag: String, check: Check) {
        self.expected.push(Expected::Answer { status, tag, closes: self.close, check });
    }
}
