use super::*;

fn mistakes(place: &str, text: &str) -> String {
    Accounts::parse(place, text).expect_err("a mistake is expected").to_string()
}

#[test]
fn a_table_is_read_from_csv_and_from_json() {
    let csv = "id,environment,name,ou,owner\n\
               111122223333,production,shop,Workloads/Prod,team-shop@example.com\r\n\
               \n\"012345678901\",,\"Logs, central\",,\n";
    let json = r#"[
        { "id": "111122223333", "name": "shop", "ou": "Workloads/Prod", "owner": "team-shop@example.com", "environment": "production" },
        { "id": "012345678901", "name": "Logs, central", "owner": null, "ou": "" }
    ]"#;
    let accounts = Accounts::parse("accounts.csv", csv).expect("a table");
    assert_eq!(accounts, Accounts::parse("s3://b/accounts.JSON", json).expect("a table"));
    let shop = accounts.get("111122223333").expect("an account");
    assert_eq!(
        (shop.label("environment"), shop.label("owner")),
        (Some("production"), Some("team-shop@example.com"))
    );
    assert_eq!((shop.name.as_deref(), shop.label("ou")), (Some("shop"), None));
    let logs = accounts.get("012345678901").expect("an account");
    assert_eq!((logs.name.as_deref(), logs.ou.as_deref()), (Some("Logs, central"), None));
    assert_eq!(
        (accounts.len(), accounts.is_empty(), format!("{accounts:?}")),
        (2, false, "2 accounts".to_owned())
    );
}

#[test]
fn every_bad_row_is_named_with_its_line() {
    let said = mistakes(
        "accounts.csv",
        "id,name\n111122223333,shop\n11112222333,short\n111122223333,again\n444455556666\n999988887777,\"a\u{1b}b\"\n",
    );
    insta::assert_snapshot!(said, @r#"
    accounts.csv:3:1: mistake: `id` is an account's 12 digits; spreadsheets cut leading zeros, so format the column as text
       |
     3 | 11112222333,short
       | ^^^^^^^^^^^^^^^^^

    accounts.csv:4:1: mistake: an earlier row is of this account
       |
     4 | 111122223333,again
       | ^^^^^^^^^^^^^^^^^^

    accounts.csv:5:1: mistake: the header has 2 fields, this row 1
       |
     5 | 444455556666
       | ^^^^^^^^^^^^

    accounts.csv:6:1: mistake: `name` must not have control characters
       |
     6 | 999988887777,"a b"
       | ^^^^^^^^^^^^^^^^^^

    accounts.csv: 4 mistakes
    "#);
}

#[test]
fn a_header_that_is_none_is_said_once() {
    insta::assert_snapshot!(mistakes("accounts.csv", "id,Name,enviroment\n1,2,3\n"), @r#"
    accounts.csv:1:1: mistake: unknown column `Name`; there are id, name, ou, owner, environment; did you mean `name`?
       |
     1 | id,Name,enviroment
       | ^^^^^^^^^^^^^^^^^^

    accounts.csv:1:1: mistake: unknown column `enviroment`; there are id, name, ou, owner, environment; did you mean `environment`?
       |
     1 | id,Name,enviroment
       | ^^^^^^^^^^^^^^^^^^

    accounts.csv: 2 mistakes
    "#);
    insta::assert_snapshot!(mistakes("accounts.csv", "111122223333,shop\n"), @r#"
    accounts.csv:1:1: mistake: unknown column `111122223333`; there are id, name, ou, owner, environment
       |
     1 | 111122223333,shop
       | ^^^^^^^^^^^^^^^^^

    accounts.csv:1:1: mistake: unknown column `shop`; there are id, name, ou, owner, environment
       |
     1 | 111122223333,shop
       | ^^^^^^^^^^^^^^^^^

    accounts.csv:1:1: mistake: the first line names the columns, `id` among id, name, ou, owner, environment
       |
     1 | 111122223333,shop
       | ^^^^^^^^^^^^^^^^^

    accounts.csv: 3 mistakes
    "#);
    for (place, text, part) in [
        ("accounts.csv", "", "no account in it"),
        ("accounts.csv", "id\n", "no account in it"),
        ("accounts.csv", "id,id\n", "two columns are called `id`"),
        ("accounts.csv", "id,name\n\"1", "accounts.csv:2:1: mistake: not CSV"),
        ("accounts.json", "[]", "no account in it"),
        ("accounts.json", "{}", "not a JSON list of objects"),
        ("accounts.json", "[\n7]", "accounts.json:2:1: mistake: an account is an object"),
        ("accounts.json", "[\n{\"id\": 7}]", "`id` must be a string"),
        (
            "accounts.json",
            "[{\"id\": \"111122223333\", \"Owner\": \"x\"}]",
            "did you mean `owner`?",
        ),
        ("accounts.json", "[{\"id\": \"111122223333\"},", "not a JSON list"),
    ] {
        let said = mistakes(place, text);
        assert!(said.contains(part), "{part:?} in {said}");
    }
}

#[test]
fn another_file_altogether_is_not_complained_about_for_ever() {
    let text = format!("id\n{}", "x\n".repeat(100_000));
    let said = mistakes("accounts.csv", &text);
    assert!(said.ends_with("accounts.csv: 50 mistakes"), "{}", said.len());
    let text = format!("id,name\n{}", "x\n".repeat(100_000));
    assert!(mistakes("accounts.csv", &text).ends_with("accounts.csv: 50 mistakes"));
    let text = format!("[7{}]", ",7".repeat(100_000));
    assert!(mistakes("accounts.json", &text).ends_with("accounts.json: 50 mistakes"));
}
